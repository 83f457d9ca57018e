"""From drifted traffic to a new champion in a running service, by one command, and the same with kills.

    python benchmarks/iterate.py [--clips 500] [--creators 400] [--kills 5] [--seed 1]

Run it in a copy of a project of the generated feed that has champions: it changes them. It starts the service, which
keeps what it is asked, sends clips in a new style and new words, and calls `kedro iterate` until it is over. With
`--kills` so many calls are ended by SIGKILL at random moments. It prints how long it took, what became of it, which
models the service answers with, and what they are worth by the generated world's truth, on traffic nobody labelled.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.inference.prediction_log import scan_log
from cu_pipeline.sample.truth import known_truth, original_id

START_S, FOLLOWS_S = 120, 60
KEDRO = [sys.executable, "-m", "kedro"]
DRIFT = ["--new-style", "0.9", "--new-slang", "0.5"]


def main() -> None:
    """Do it, and print what happened."""
    options = _options()
    root = Path.cwd().resolve()
    with served(root) as address:
        before = versions(address)
        _traffic(address, options, options.clips, DRIFT)
        print("accuracy of the champions on this traffic:", accuracy(root))
        began = time.monotonic()
        code = iterated(options.kills, random.Random(options.seed))
        print(f"kedro iterate: exit code {code}, {time.monotonic() - began:.0f} s")
        after = _followed(address, root)
        print("the service answered with", before, "and answers now with", after)
        subprocess.run([*KEDRO, "iterate", "history"], check=True)
        print("end state:", end_state(root))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The loop, end to end.")
    for name, default in {"clips": 500, "creators": 400, "kills": 0, "seed": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def iterated(kills: int, rng: random.Random) -> int:
    """Call `kedro iterate` until it ends by itself; so many calls before are killed."""
    for _ in range(kills):
        process = subprocess.Popen([*KEDRO, "iterate"])
        try:
            code = process.wait(rng.uniform(5, 60))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            print("killed")
            continue
        return code
    return subprocess.run([*KEDRO, "iterate"], check=False).returncode


def accuracy(root: Path) -> dict[str, str]:
    """How often the service's answers are true: capability and version -> share, clips."""
    truth, right = known_truth([root / "data/01_raw/traffic"]), defaultdict(list)
    for record in scan_log(root / "data/07_model_output/prediction_log"):
        for capability, label in truth.get(original_id(record.clip_id), {}).items():
            if capability in record.labels:
                key = f"{capability} {record.versions[capability]}"
                right[key].append(record.labels[capability] == label)
    return {key: f"{sum(found) / len(found):.3f} of {len(found)}" for key, found in sorted(right.items())}


def end_state(root: Path) -> str:
    """A hash of what is served, what was labelled and asked for, and the split of each clip."""
    models = {
        path.parent.name: json.loads(path.read_text())["version"]
        for path in (root / "data/06_models/champions").glob("*/*.json")
    }
    labels = pd.read_parquet(root / "data/05_model_input/labels.parquet")[["clip_id", "capability", "label", "source"]]
    clips = pd.read_parquet(root / "data/02_intermediate/clips.parquet")[["clip_id", "split", "group"]]
    requests = (root / "data/01_raw/label_requests.jsonl").read_text()
    found = [models, labels.to_csv(index=False), clips.to_csv(index=False), requests]
    return f"{models} {json_sha256(found)[:12]}"


def versions(address: str) -> dict[str, str]:
    """The models that the service answers with."""
    with urllib.request.urlopen(f"{address}/capabilities", timeout=30) as answer:
        told: dict[str, Any] = json.load(answer)
    return {name: one["model_version"] for name, one in told["capabilities"].items()}


def _followed(address: str, root: Path) -> dict[str, str]:
    """Wait until the service answers with the champions of the project."""
    wanted = {}
    for path in (root / "data/06_models/champions").glob("*/*.json"):
        told = json.loads(path.read_text())
        wanted[told["capability"]] = told["version"]
    until = time.monotonic() + FOLLOWS_S
    while (found := versions(address)) != wanted and time.monotonic() < until:
        time.sleep(0.5)
    return found


def _traffic(address: str, options: argparse.Namespace, clips: int, drift: list[str]) -> None:
    how = ["--clips", str(clips), "--creators", str(options.creators), "--url", address, *drift]
    subprocess.run([*KEDRO, "traffic", *how], check=True)


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve the project on a free port, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {"CU_PIPELINE_ROOT": str(root)}
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", ".", "--host", "127.0.0.1", "--port", str(port)]
    with (
        (root / "served.log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as one,
    ):
        try:
            _wait_ready(address)
            yield address
        finally:
            one.terminate()
            one.wait(30)


def _wait_ready(address: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("the service did not start: see served.log")


if __name__ == "__main__":
    main()
