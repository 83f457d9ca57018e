"""How fast the service is beside the predictor in a loop, bare FastAPI and BentoML's defaults, and what it stands.

    make bench-serve       # writes benchmarks/serve.json
    python benchmarks/serve.py [--quick] [--project .] [--clips 20] [--seconds 15] [--former COMMIT]

The models are the champions of a project in which `make run` has ended, and the clips are its own. One after the other:

- in process: the predictor in a loop, once with all cores (what one caller waits) and once with a process a core, each
  with one thread (what this machine can do);
- fastapi: the predictor behind FastAPI in uvicorn, as one writes it in ten minutes (`serving/plain_fastapi.py`);
- bentoml: the predictor behind `@bentoml.service` with its defaults (`serving/plain_bentoml.py`);
- former: the service of an earlier commit, where `--former` names one;
- ours: `bentoml serve` of this project.

Each server gets 1 and 16 clients that wait for their answers, and then requests at random moments at 80 % of what 16
clients got. Ours also gets captions, alone and beside clips that take long to decode (1080p60, 100 s, one key
frame), and ten times what it can answer: reported are the statuses, how long refusals took, what memory grew by, and
how fast it is in the seconds after.

Server and clients share the machine, so clients cost what they cost everybody alike.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cu_pipeline.compute.worker_pool import usable_cores
from serving.contenders import Server, environment, looping, running
from serving.load import Answers, Body, closed_loop, form, open_loop, percentile

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = 16
SHARE = 0.8
OVERLOAD = 10
SLOW = {"frames": 6000, "rate": 60, "sides": (1920, 1080)}
SLOW_CLIENTS = 4


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as folder:
        found = measured(options, Path(folder))
    found["ratios"] = ratios(found)
    if options.output:
        options.output.write_text(json.dumps(found, indent=2) + "\n")
    print("\n".join(words(found)))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 s a measurement and 10 s of overload")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of a project with champions")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=15, help="of one measurement")
    parser.add_argument("--overload", type=float, default=60, help="seconds of overload")
    parser.add_argument("--former", default="", help="commit whose service is measured too")
    parser.add_argument("--only", nargs="*", default=["fastapi", "bentoml"], help="other servers to measure")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.overload = min(options.seconds, 5), min(options.overload, 10)
    options.project = options.project.resolve()
    options.bundles = options.project / "data/06_models/champions"
    if not any(options.bundles.glob("*/bundle.json")):
        raise SystemExit(f"there are no champions in {options.bundles}: let `make run` end, or give --project")
    return options


def measured(options: argparse.Namespace, work: Path) -> dict:
    clips = clips_of(options.project, options.clips)
    bodies = [form(caption, Path(path)) for path, caption in clips]
    env = environment(options.bundles, work, ROOT / "src")
    found = {"machine": machine(), "seconds": options.seconds, "clips": len(clips)}
    found["in_process"] = in_process(options, env, clips)
    others = [name for name in options.only if name]
    for name in [*others, *(["former"] if options.former else []), "ours"]:
        print(f"{name} …", flush=True)
        source = former_source(options.former, work) if name == "former" else ROOT / "src"
        with running(name, environment(options.bundles, work, source), work, bodies[0]) as server:
            found[name] = served(server, bodies, options.seconds)
            if name == "ours":
                captions = [form(caption) for _, caption in clips if caption]
                found[name] |= beside_slow(server, captions, [form("", slow_clip())], options.seconds)
                found[name]["overload"] = overload(server, bodies, found[name]["clients_16"]["per_s"], options.overload)
    return found


def in_process(options: argparse.Namespace, env: dict, clips: list) -> dict:
    print("in process …", flush=True)
    cores = usable_cores()
    (alone,) = looping(options.bundles, env, clips, options.seconds, 1)
    many = looping(options.bundles, env | {"OMP_NUM_THREADS": "1"}, clips, options.seconds, cores)
    return {
        "one": {"per_s": round(len(alone) / sum(alone), 3), "p50_ms": percentile(np.array(alone), 50)},
        "process_a_core": {"processes": cores, "per_s": round(sum(len(one) / sum(one) for one in many), 3)},
    }


def served(server: Server, bodies: list[Body], seconds: float) -> dict:
    closed_loop(server.port, bodies, 4, min(seconds, 5))  # warms up
    one = closed_loop(server.port, bodies, 1, seconds)
    many = closed_loop(server.port, bodies, CLIENTS, seconds)
    rate = SHARE * len(many.took(200)) / many.seconds
    busy = open_loop(server.port, bodies, max(rate, 0.1), seconds)
    return {
        "clients_1": one.summary(),
        f"clients_{CLIENTS}": many.summary(),
        "at_80_percent": busy.summary() | {"asked_per_s": round(rate, 3)},
    }


def beside_slow(server: Server, captions: list[Body], slow: list[Body], seconds: float) -> dict:
    idle = closed_loop(server.port, captions, 1, seconds)
    slow_answers: list[Answers] = []
    beside = threading.Thread(target=lambda: slow_answers.append(closed_loop(server.port, slow, SLOW_CLIENTS, seconds)))
    beside.start()
    time.sleep(0.5)
    found = closed_loop(server.port, captions, 1, max(seconds - 1, 1))
    beside.join()
    return {
        "captions_idle": idle.summary(),
        "captions_beside_slow_clips": found.summary(),
        "slow_clips": {"statuses": slow_answers[0].statuses},
    }


def overload(server: Server, bodies: list[Body], capacity: float, seconds: float) -> dict:
    before, most, over = server.megabytes(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            most[0] = max(most[0], server.megabytes())

    watching = threading.Thread(target=watch)
    watching.start()
    found = open_loop(server.port, bodies, OVERLOAD * max(capacity, 0.1), seconds)
    over.set()
    watching.join()
    time.sleep(5)
    after = closed_loop(server.port, bodies, CLIENTS, max(min(seconds, 10), 3))
    refused = [row for row in found.rows if row[0] in {429, 503}]
    return {
        "asked_per_s": round(OVERLOAD * capacity, 1),
        "seconds": seconds,
        "statuses": found.statuses,
        "unsent": found.unsent,
        "refusals_without_retry_after": sum(not row[2] for row in refused),
        "refusals_p50_ms": percentile(np.array([row[1] for row in refused]), 50),
        "refusals_p99_ms": percentile(np.array([row[1] for row in refused]), 99),
        "accepted": found.summary(),
        "memory_growth_mb": round(max(most[0], server.megabytes()) - before, 1),
        "after_5_s": after.summary(),
    }


def clips_of(project: Path, count: int) -> list[tuple[str, str]]:
    """Paths and captions of some of a project's clips that have both, always the same ones."""
    table = pd.read_parquet(project / "data/02_intermediate/clips.parquet", columns=["clip_id", "path", "text"])
    usable = table[(table["path"] != "") & (table["text"] != "")].sort_values("clip_id")
    chosen = usable.iloc[np.linspace(0, len(usable) - 1, min(count, len(usable))).astype(int)]
    return [(str((project / path).resolve()), text) for path, text in zip(chosen["path"], chosen["text"], strict=True)]


def slow_clip() -> Path:
    """Write a small film of which every frame must be decoded to see the last, once for this machine."""
    import av

    target = Path(tempfile.gettempdir()) / "cu-pipeline-slow-clip.mp4"
    if target.exists():
        return target
    part = target.with_suffix(f".{os.getpid()}.mp4")
    width, height = SLOW["sides"]
    with av.open(str(part), "w") as container:
        choices = {"preset": "ultrafast", "g": "100000", "keyint_min": "100000", "sc_threshold": "0", "crf": "40"}
        stream = container.add_stream("libx264", rate=SLOW["rate"], options=choices)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        grey = np.full((height, width, 3), 90, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey).reformat(format="yuv420p")
        for number in range(SLOW["frames"]):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.replace(target)
    return target


def former_source(commit: str, work: Path) -> Path:
    """The package of an earlier commit."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    (work / "earlier").mkdir(exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(work / "earlier")], input=archive, check=True)
    return work / "earlier/src"


def machine() -> dict:
    load = os.getloadavg()[0]
    return {"cores": usable_cores(), "processor": platform.processor() or platform.machine(), "load": round(load, 2)}


def ratios(found: dict) -> dict:
    """What is asked of the service, as ratios."""
    ours, alone = found["ours"], found["in_process"]
    many = ours["clients_16"]["per_s"]
    told = {
        "throughput_to_in_process": many / alone["process_a_core"]["per_s"],
        "p50_to_in_process": ours["clients_1"]["p50_ms"] / alone["one"]["p50_ms"],
        "caption_p99_beside_slow_to_idle": ours["captions_beside_slow_clips"]["p99_ms"]
        / ours["captions_idle"]["p99_ms"],
        "throughput_after_overload": ours["overload"]["after_5_s"]["per_s"] / many,
    }
    for name in ("fastapi", "bentoml", "former"):
        if name in found and found[name]["clients_16"]["per_s"]:
            told[f"throughput_to_{name}"] = many / found[name]["clients_16"]["per_s"]
    return {name: round(value, 3) for name, value in told.items()}


def words(found: dict) -> list[str]:
    """The report for people."""
    alone, ours, over = found["in_process"], found["ours"], found["ours"]["overload"]
    lines = [
        f"{found['machine']['cores']} cores, {found['clips']} clips",
        f"in process: {alone['process_a_core']['per_s']} clips/s with a process a core; "
        f"p50 of one with all cores {alone['one']['p50_ms']} ms",
    ]
    for name in ("fastapi", "bentoml", "former", "ours"):
        if name in found:
            one, many, busy = (found[name][key] for key in ("clients_1", "clients_16", "at_80_percent"))
            speed = f"{many['per_s']} clips/s at 16 clients, {one['per_s']} at 1"
            lines.append(f"{name}: {speed}; p50 of one {one['p50_ms']} ms; p99 at 80 % {busy['p99_ms']} ms")
    idle, beside = ours["captions_idle"]["p99_ms"], ours["captions_beside_slow_clips"]["p99_ms"]
    late = over["refusals_without_retry_after"]
    return [
        *lines,
        f"captions: p99 {idle} ms idle, {beside} ms beside slow clips, which got {ours['slow_clips']['statuses']}",
        f"overload: {over['asked_per_s']} requests/s for {over['seconds']:g} s: {over['statuses']}",
        f"  {over['unsent']} not sent; refusals p99 {over['refusals_p99_ms']} ms, {late} without Retry-After",
        f"  accepted p99 {over['accepted']['p99_ms']} ms",
        f"  memory +{over['memory_growth_mb']} MB; afterwards {over['after_5_s']['per_s']} clips/s",
        *(f"{name}: {value:.2f}" for name, value in found["ratios"].items()),
    ]


if __name__ == "__main__":
    main()
