"""One canary end to end, in a project that has a champion: `bentoml serve`, traffic, feedback, decisions.

    python benchmarks/canary.py [requests] [capability]

Run it in a copy of a project: it changes the champion twice. Traffic is captions of the sample world by many creators,
and its rendered clips; on half of the requests somebody says the truth. First a challenger with two class names
exchanged is to be rolled back by the service itself. Then that model is made champion by hand, and the former champion
is to be promoted in its place by the service itself.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from cu_pipeline.core.keys import file_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.plan import Rollout, place_of, rollouts_folder
from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.tracking import rollout_end

CLIENTS, FEEDBACK_OF = 4, 2
START_S = 120


def main() -> None:
    """Run both canaries and print what happened."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    capability = sys.argv[2] if len(sys.argv) > 2 else "topic"
    root = project_root().resolve()
    champions = root / "data/06_models/champions"
    folder = rollouts_folder(champions)
    good = Bundle.load(champions / file_key(capability))
    bad = exchanged(good)
    traffic = enumerate(captions())
    with served(root) as address:
        begin(folder, bad, good.version)
        report("exchanged classes", folder, capability, run(address, folder, capability, traffic, most))
        by_hand = begin(folder, bad, good.version)
        rollout_end.promote(folder, champions, by_hand, "by hand, to have a worse champion")
        begin(folder, good, bad.version)
        report("the former champion", folder, capability, run(address, folder, capability, traffic, most))
        time.sleep(5)
        answer = post(f"{address}/classify", {"caption": "ranked match"})
        print("answers now:", answer["capabilities"][capability]["model_version"], "expected:", good.version)


def exchanged(bundle: Bundle) -> Bundle:
    """The same model with the names of its first two classes exchanged, as labels that were mixed up would make it."""
    names = [*bundle.classes[1::-1], *bundle.classes[2:]]
    return replace(bundle, classes=tuple(names), known_as="")


def begin(folder: Path, challenger: Bundle, champion: str) -> Rollout:
    """Start a canary of a fifth of the creators."""
    begun = Rollout(
        capability=challenger.capability,
        challenger=challenger.version,
        champion=champion,
        mode="canary",
        percent=20,
        started=datetime.now(UTC),
        by="benchmarks/canary.py",
    )
    trials.start(folder, begun, challenger)
    return begun


def captions() -> Iterator[tuple[str, str, str]]:
    """Creators, captions and topics of the sample world, as it goes on and on."""
    for part in count(1):
        for one in plan_world(SampleOptions(clips=500, first=500 * part, creators=3000, broken=0, near_duplicates=0)):
            yield one.creator, one.text, one.topic


def run(address: str, folder: Path, capability: str, traffic: Iterator[Any], most: int) -> tuple[int, float, int]:
    """Send traffic until the rollout has ended, or all of it is sent; give requests, seconds and failures."""
    begun, sent, failures = time.monotonic(), 0, 0

    def one(item: tuple[int, tuple[str, str, str]]) -> bool:
        number, (creator, text, topic) = item
        try:
            answer = post(f"{address}/classify", {"caption": text, "creator": creator, "clip_id": f"clip {number}"})
            if number % FEEDBACK_OF == 0:
                told = {"request_id": answer["request_id"], "capability": capability, "label": topic}
                post(f"{address}/feedback", told)
        except OSError as error:
            print(error, file=sys.stderr)
            return False
        return True

    with ThreadPoolExecutor(CLIENTS) as pool:
        while sent < most and capability in plan.running(folder):
            done = list(pool.map(one, [next(traffic) for _ in range(20)]))
            sent, failures = sent + len(done), failures + done.count(False)
    until = time.monotonic() + 30
    while capability in plan.running(folder) and time.monotonic() < until:
        time.sleep(0.2)
    return sent, time.monotonic() - begun, failures


def report(name: str, folder: Path, capability: str, ran: tuple[int, float, int]) -> None:
    """Print how a rollout ended."""
    ended = plan.read(place_of(folder, capability))
    if ended is not None:
        print(f"{name}: {ended.status} after {ran[0]} requests, {ran[1]:.0f} s, {ran[2]} failed: {ended.reason}")


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve the project's champions on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["bentoml", "serve", "cu_pipeline.service.app:ContentUnderstanding", "--host", "127.0.0.1"]
    environment = os.environ | {"CU_PIPELINE_ROOT": str(root), "BENTOML_DO_NOT_TRACK": "True"}
    with Path("canary.log").open("w") as log:
        service = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait(lambda: get(f"http://127.0.0.1:{port}/readyz"))
            yield f"http://127.0.0.1:{port}"
        finally:
            service.send_signal(signal.SIGINT)
            try:
                service.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(service.pid, signal.SIGKILL)


def wait(ready: Callable[[], object]) -> None:
    """Wait until something succeeds."""
    until = time.monotonic() + START_S
    while True:
        try:
            ready()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
        else:
            return


def get(address: str) -> bytes:
    """Fetch an address."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        return bytes(answer.read())


def post(address: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send JSON, and give the answer's."""
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


if __name__ == "__main__":
    main()
