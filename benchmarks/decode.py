"""How fast 8 frames at 224×224 are read from short clips: cu-pipeline beside its peers and decoding everything.

    make bench-decode      # also makes the environment of the peers; writes benchmarks/decode.json
    python benchmarks/decode.py [--peers PYTHON] [--folder CLIPS] [--rounds 4] [--b-frames 3]

Clips: H.264 by x264 (veryfast, crf 23, 3 B-frames), 8 to 15 s at 25 or 30 frames a second, of moving textures under
film grain (`decoding/clips.py`): 320×568 and 720×1280, with a key frame at least every 12 and every 250 frames.

Contenders (`decoding/contenders.py`): what `featurize` runs, in its isolated worker processes; PyAV decoding to the
last wanted frame; decord, torchcodec and OpenCV from another environment (requirements-decode.txt); and, as a limit,
everything decoded and thrown away by the ffmpeg program or PyAV, whichever is faster. The frames wanted are those at
the centres of 8 equal segments, for all alike. Where a library lets one choose (seeking, where to resize, threads or
processes), every setting is tried in each case on as many clips as there are cores, and the best goes into the rounds,
with the second if it is within 15 % of the best.

A round reads all clips of a case once with each setting in turn, so that what else the machine does hits all alike. A
clock runs from the first clip's handing out until all frames are numpy arrays in the process that asked; workers have
been started and have decoded before. Clips come from the operating system's cache. A library's result is that of its
setting with the best median; reported are the best and the median of the rounds, in clips a second, and the processors'
milliseconds a clip, which tell who does least work where others use the machine too.

Frames are compared with those of decoding each clip in order: `equal` counts frames equal in every byte, `right` those
more like the wanted frame than like the ones before and after it (libraries scale and convert colours differently).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from tqdm import tqdm

from cu_pipeline.media.decoding import decoder_identity
from decoding.clips import CASES, make_clips
from decoding.contenders import COUNT, LIBRARIES, SIDE, settings
from decoding.reference import Reference

OURS = "cu-pipeline"
LIMIT = "decoding all to null"
ELSEWHERE = {"decord", "torchcodec", "OpenCV"}
"""Libraries that run in the peers' environment."""

CLOSE = 1.15
RUNNER = Path(__file__).parent / "decoding" / "runner.py"


class Runner:
    """A `runner.py` in one environment."""

    def __init__(self, python, side):
        # peers see neither this project's packages nor its path
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" or python == sys.executable}
        self._process = subprocess.Popen(
            [python, RUNNER, side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        self._watched = psutil.Process(self._process.pid)

    def decode(self, paths, setting, save=None):
        """Give the seconds until all clips' frames are there, and the processors' seconds that it took."""
        before = self._cpu_seconds()
        print(json.dumps({"paths": paths, "setting": setting, "save": save}), file=self._process.stdin, flush=True)
        seconds = json.loads(self._process.stdout.readline())
        return seconds, self._cpu_seconds() - before

    def _cpu_seconds(self):
        """Give what it and its workers have used, with programs that have ended."""
        members = [self._watched, *self._watched.children(recursive=True)]
        return sum(sum(member.cpu_times()[:4]) for member in members)

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def runners_of(peers):
    ours, here = Runner(sys.executable, "ours"), Runner(sys.executable, "peers")
    there = Runner(peers, "peers") if peers else None
    runners = {OURS: ours} | {name: there if name in ELSEWHERE else here for name in LIBRARIES}
    return {name: runner for name, runner in runners.items() if runner}


def finalists(runner, library, clips):
    """Try a library's settings and give the best, and the second if it is close."""
    if library == OURS:
        return [None]
    tried = []
    for setting in settings(library):
        tried.append((runner.decode(clips, setting)[0], len(tried), setting))
    best, *others = sorted(tried)  # the number in the middle keeps settings from being compared
    return [best[2], *(other[2] for other in others[:1] if other[0] <= CLOSE * best[0])]


def warm_up(runners, clips):
    """Start all workers and load all libraries."""
    for library, runner in runners.items():
        for setting in [None] if library == OURS else settings(library):
            runner.decode(clips, setting)


def measure(case, clips, runners, rounds, bar):
    cores = len(os.sched_getaffinity(0))
    batch = clips * max(1, -(-2 * cores // len(clips)))
    chosen = {name: finalists(runner, name, batch[:cores]) for name, runner in runners.items()}
    turns = [(name, setting) for name, found in chosen.items() for setting in found]
    measured = [[] for _ in turns]
    for _ in range(rounds):
        for (name, setting), taken in zip(turns, measured, strict=True):
            taken.append(runners[name].decode(batch, setting))
            bar.update(1 / (rounds * len(turns)))
    reference = Reference(clips)
    results = {}
    for (name, setting), taken in zip(turns, measured, strict=True):
        rates = sorted(len(batch) / seconds for seconds, _ in taken)
        result = {"setting": setting, "best": rates[-1], "median": statistics.median(rates), "rounds": rates}
        result["cpu_ms"] = 1000 * statistics.median(cpu for _, cpu in taken) / len(batch)
        if name not in results or result["median"] > results[name]["median"]:
            results[name] = result
    for name, result in results.items():
        if name != LIMIT:
            result.update(reference.compare(runners[name], clips, result["setting"]))
    return {"case": case.name, "results": results} | ratios(results)


def ratios(results):
    """Divide our median by the others'."""
    medians = {name: result["median"] for name, result in results.items()}
    peers = {name: median for name, median in medians.items() if name not in {OURS, LIMIT}}
    best = max(peers, key=peers.get)
    ours = medians[OURS]
    return {
        "best_peer": best,
        "to_best_peer": ours / peers[best],
        "to_straight_through": ours / peers["PyAV straight through"],
        "to_limit": ours / medians[LIMIT],
    }


def table(report):
    lines = []
    for case in report["cases"]:
        lines.append(f"\n{case['case']}")
        lines.append(f"{'clips/s':24}{'best':>8}{'median':>8}{'cpu ms':>8}  equal  right  setting")
        for name, result in sorted(case["results"].items(), key=lambda item: -item[1]["median"]):
            setting = result["setting"] or {"function": "", "arguments": {}, "spread": "a process a core"}
            words = ", ".join([*setting["arguments"].values(), setting["spread"]])
            words = f"{setting['function']}: {words}" if name == LIMIT else words
            frames = [f"{result[key]}/{result['frames']}" if key in result else "" for key in ("equal", "right")]
            numbers = f"{result['best']:8.2f}{result['median']:8.2f}{result['cpu_ms']:8.0f}"
            lines.append(f"{name:24}{numbers}{frames[0]:>7}{frames[1]:>7}  {words}")
        lines.append(
            f"ours to the best peer ({case['best_peer']}) {case['to_best_peer']:.2f}, "
            f"to PyAV straight through {case['to_straight_through']:.2f}, to the limit {case['to_limit']:.2f}"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="python of the environment with the peers; without it PyAV alone is measured")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "cu-pipeline-clips")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--b-frames", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    runners = runners_of(arguments.peers)
    report = {
        "machine": {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0], "platform": platform.platform()},
        "decoder": decoder_identity(),
        "rounds": arguments.rounds,
        "frames": COUNT,
        "side": SIDE,
        "b_frames": arguments.b_frames,
        "cases": [],
    }
    with tqdm(total=len(CASES), desc="cases", disable=None) as bar:
        for case in CASES:
            clips = make_clips(arguments.folder, case, arguments.b_frames)
            if case == CASES[0]:
                warm_up(runners, clips[:1] * len(os.sched_getaffinity(0)))
            report["cases"].append(measure(case, clips, runners, arguments.rounds, bar))
    for runner in set(runners.values()):
        runner.close()
    print(table(report))
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
