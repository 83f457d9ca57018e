"""What clips cost: processor seconds, memory and bytes of each stage by the number of clips, checked on a larger run.

    make bench-cost
    python benchmarks/cost_model.py [--text 1000 4000 20000] [--text-check 10000] [--video 100 300] [--video-check 800]

Each size is a run of the real lifecycle in a project of its own, stage by stage: for text, generated captions of eight
classes (`scale_models.py`), for videos the generated feed, whose rendering is done before the clock starts. Of each
stage the seconds of all processors are counted (`ru_utime + ru_stime` of the command and all its workers), the largest
memory of its process tree, and the bytes that it adds to the project. Costs are no straight line: `train` tries less
where there are many clips. So a size is foreseen by a line between its neighbours, or by the last slope beyond them,
and that is held against the run of the size to be checked, which is none of them. Language models are off: a call costs
what `docs/labels.md` says, however many clips there are.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import yaml

ROOT = Path(__file__).parents[1]
STAGES = ("collect", "featurize", "label", "train", "evaluate", "deliver", "monitor", "report")
COPIED = (".dvc/config", ".dvcignore", ".gitignore", ".telemetry", "bentofile.yaml", "constraints.txt", "dvc.yaml")
ALSO = ("image.lock", "pyproject.toml", "weights.txt")


def main():
    options = _options()
    found = {"machine": _machine(), "kinds": {}}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for kind in ("text", "video"):
            sizes, checked = getattr(options, kind), getattr(options, f"{kind}_check")
            if not sizes:
                continue
            runs = {size: lifecycle(kind, size, Path(folder) / f"{kind}{size}") for size in [*sizes, checked]}
            found["kinds"][kind] = told(runs, sizes, checked)
            print(json.dumps(found["kinds"][kind], indent=1))
    if options.output:
        Path(options.output).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def lifecycle(kind, clips, root):
    """Run all stages, each in a process of its own.

    Returns:
        Stage -> processor seconds, seconds by the clock, peak memory in GB, megabytes added.
    """
    _project(root)
    parameters = {"label": {"llm": {"enabled": False}}}
    if kind == "text":
        parameters["collect"] = {"manifest": str(_captions(root, clips))}
    else:
        parameters["collect"] = {"sample": {"clips": clips, "creators": max(150, clips // 4)}}
    (root / "conf/local").mkdir(exist_ok=True)
    (root / "conf/local/parameters_cost.yml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    if kind == "video":
        kedro(root, "collect")  # renders, which no real feed asks for
        for place in ("data/02_intermediate", "data/01_raw/manifest.parquet"):
            subprocess.run(["rm", "-rf", str(root / place)], check=True)
    return {stage: kedro(root, stage) for stage in STAGES}


def kedro(root, stage):
    """Run a stage, and count what it took."""
    outer = ("CU_PIPELINE_", "DVC_", "KEDRO_", "MLFLOW_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    clean |= {"PYTHONPATH": str(root / "src"), "CU_PIPELINE_ROOT": str(root), "HF_HUB_OFFLINE": "1"}
    clean |= {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "BENTOML_DO_NOT_TRACK": "True"}
    before, began, peak = _bytes(root), time.monotonic(), 0
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", stage]
    with (root / "log").open("ab") as log:
        process = psutil.Popen(command, cwd=root, env=clean, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while not (ended := _ended(process)):
            peak = max(peak, _tree_bytes(process))
            time.sleep(0.05)
    code, usage = ended
    if code:
        sys.exit(f"{stage} failed:\n" + "\n".join((root / "log").read_text(errors="replace").splitlines()[-8:]))
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "seconds": round(time.monotonic() - began, 1),
        "peak_gb": round(peak / 1e9, 2),
        "mb": round((_bytes(root) - before) / 1e6, 2),
    }


def _ended(process):
    """Exit code, and what the process and its workers used; None while it runs."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    return (os.waitstatus_to_exitcode(status), usage) if pid else None


def _tree_bytes(process):
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.Error:
        pass  # one ended meanwhile
    return total


def _bytes(root):
    places = ("data", "mlruns", ".dvc/cache")
    return sum(path.stat().st_size for place in places for path in (root / place).rglob("*") if path.is_file())


def told(runs, sizes, checked):
    """What a clip costs in each stage, and how far the foreseen was off at the size that it had not seen."""
    stages, total = {}, dict.fromkeys(("foreseen", "measured"), 0.0)
    for stage in STAGES:
        points = {name: [(size, runs[size][stage][name]) for size in sizes] for name in ("cpu_s", "peak_gb", "mb")}
        foreseen = {name: round(between(known, checked), 2) for name, known in points.items()}
        seen = runs[checked][stage]
        total["foreseen"] += foreseen["cpu_s"]
        total["measured"] += seen["cpu_s"]
        slopes = {name: slope(known) for name, known in points.items()}
        stages[stage] = {"each_more": slopes, "foreseen": foreseen, "measured": seen}
    error = total["foreseen"] / total["measured"] - 1
    return {
        "fitted_on": sizes,
        "checked_at": checked,
        "cpu_s": {**{name: round(value, 1) for name, value in total.items()}, "error": round(error, 3)},
        "stages": stages,
        "hours_of_ten_million": {
            stage: round(between([(size, runs[size][stage]["cpu_s"]) for size in sizes], 10**7) / 3600, 1)
            for stage in STAGES
        },
        "runs": {str(size): run for size, run in runs.items()},
    }


def between(points, clips):
    """Foresee a value: a straight line between neighbouring sizes, and beyond the largest the last one's slope.

    >>> between([(100, 12.0), (300, 16.0), (500, 18.0)], 200), between([(100, 12.0), (300, 16.0)], 1300)
    (14.0, 36.0)
    """
    sizes, values = zip(*points, strict=True)
    if clips <= sizes[-1]:
        return float(np.interp(clips, sizes, values))
    return values[-1] + slope(points) * (clips - sizes[-1])


def slope(points):
    """What each more clip costs beyond the largest size."""
    (smaller, before), (larger, after) = points[-2:]
    return round(max(after - before, 0.0) / (larger - smaller), 9)


def _captions(root, clips):
    from scale_models import feed

    table, _ = feed(clips, 8)
    path = root / "captions.csv"
    table.rename(columns={"group": "creator"})[["clip_id", "text", "label", "creator"]].to_csv(path, index=False)
    return path


def _project(root):
    root.mkdir(parents=True)
    (root / ".dvc").mkdir()
    for name in (*COPIED, *ALSO):
        (root / name).write_bytes((ROOT / name).read_bytes())
    for name in ("conf", "src"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(root / name)], check=True)
    subprocess.run(["rm", "-rf", str(root / "conf/local")], check=True)


def _machine():
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()}


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=int, nargs="*", default=[1000, 4000, 20_000])
    parser.add_argument("--text-check", type=int, default=10_000)
    parser.add_argument("--video", type=int, nargs="*", default=[100, 300])
    parser.add_argument("--video-check", type=int, default=800)
    parser.add_argument("--folder", help="where projects are made; default: the system's folder for temporary files")
    parser.add_argument("--output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
