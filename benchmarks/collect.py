"""Time and memory of the collect pipeline on manifests of text, by their number of rows, beside reading them.

    make bench-collect
    python benchmarks/collect.py [--rows 10000 100000 1000000] [--names cu-pipeline] [--repeats 3] [--output FILE]

A manifest has captions in four languages, creators with 5 clips on average, dates, people's labels for 60 % of rows,
votes of three annotators for 10 %, 3 % captions that repeat another's, 2 % that very many clips have, and 1 % of rows
that are refused. There is no media. Each measurement is a fresh process that first runs a manifest of 100 rows, so that
all libraries are loaded, and then the pipeline's own nodes on the datasets of conf/base/catalog_collect.yml in an empty
folder. Beside it, in fresh processes on the same file: pandas and pyarrow reading the CSV as text and writing it as
Parquet, which any collecting must at least do. The processor's time (of all threads) is reported besides the clock's,
as it is less disturbed by what else the machine does; "to linear" divides the growth of the time from the size before
by that of the rows. Peak memory is that of the whole process tree, sampled every 20 ms. Small sizes are measured
`--repeats` times, the largest once; medians are reported. Each node's line has its processor seconds and the memory
after it. Ten million rows (`--rows 10000000 --names cu-pipeline`) need 15 GB of disk in TMPDIR; pandas reads such a
file whole.
"""

import argparse
import csv
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from cu_pipeline.compute.engine import ComputeOptions

ROOT = Path(__file__).parents[1]
CLASSES = ["cooking", "football", "gaming", "pets", "travel", "music", "beauty", "comedy"]
COMMON = ["fyp", "Follow for more!", "wait for it 😂", "#viral #foryou", "part 2", "🔥🔥🔥", "link in bio"]
PHRASES = [
    "how we make the best pasta in ten minutes|you have to see what the dog did next|this goal changed the whole game|"
    "packing for three weeks with one small bag|my honest opinion on the new phone",
    "la receta más fácil de mi abuela|no puedo creer lo que pasó en el partido|tres lugares que tienes que visitar|"
    "así se prepara un buen café en casa",
    "so gelingt dir der perfekte Kuchen|was mein Hund heute wieder gemacht hat|die schönsten Orte in den Bergen|"
    "das musst du vor dem Urlaub wissen",
    "comment réussir une tarte aux pommes|le plus beau but de la saison|ce que personne ne dit sur ce jeu|"
    "mon chat ne voulait pas sortir aujourd'hui",
]


def write_manifest(path, rows, seed=17):
    """Write a feed whose make-up does not depend on its length."""
    rng = random.Random(seed)
    voices = [phrases.split("|") for phrases in PHRASES]
    started = datetime(2026, 1, 1, tzinfo=UTC)
    recent = []
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["clip_id", "text", "label", "annotations", "creator", "posted_at", "lang", "likes"])
        for number in range(rows):
            voice, draw = rng.choice(voices), rng.random()
            text = f"{rng.choice(voice)}, {rng.choice(voice)} #{rng.choice(CLASSES)}{rng.randrange(rows * 10)} ✨"
            if draw < 0.03 and recent:
                text = rng.choice(recent)
            elif draw < 0.05:
                text = rng.choice(COMMON)
            recent = [*recent[-99:], text]
            label = rng.choice(CLASSES)
            votes = {who: rng.choice((label, label, rng.choice(CLASSES))) for who in ("ann", "bob", "eve")}
            posted = (started + timedelta(seconds=30 * number)).isoformat()
            bad = rng.random()
            writer.writerow(
                [
                    f"clip{number - (bad < 0.005)}",
                    text,
                    label if rng.random() < 0.6 else "",
                    json.dumps(votes) if rng.random() < 0.1 else "",
                    f"creator{rng.randrange(rows // 5 + 1)}",
                    "yesterday" if bad > 0.995 else posted,
                    rng.choice(("", "", "en", "es-MX")),
                    rng.randrange(10**6),
                ]
            )


def run_collect(manifest, folder):
    """Run the pipeline's nodes on the shipped catalog; give each node's processor seconds and the memory after it."""
    import yaml
    from kedro.framework.hooks import hook_impl
    from kedro.framework.hooks.manager import _create_hook_manager
    from kedro.io import DataCatalog
    from kedro.runner import SequentialRunner

    from cu_pipeline.core.capability import Capabilities
    from cu_pipeline.pipelines.collect.options import CollectOptions
    from cu_pipeline.pipelines.collect.pipeline import create_pipeline

    class Clock:
        def __init__(self):
            self.last, self.nodes = time.process_time(), {}

        @hook_impl
        def after_node_run(self, node):
            now, resident = time.process_time(), psutil.Process().memory_info().rss / 2**30
            self.nodes[node.name], self.last = {"cpu_seconds": now - self.last, "resident_gb": resident}, now

    os.environ["CU_PIPELINE_ROOT"] = str(folder)
    entries = yaml.safe_load((ROOT / "conf/base/catalog_collect.yml").read_text(encoding="utf-8"))
    for entry in entries.values():
        entry["filepath"] = str(folder / entry["filepath"])
    catalog = DataCatalog.from_config(entries)
    options = CollectOptions(manifest=str(manifest))
    catalog["params:collect"] = options
    for name in ("fetch", "limits", "duplicates", "language", "split", "checks"):
        catalog[f"params:collect.{name}"] = getattr(options, name)
    catalog["params:capabilities"] = Capabilities.model_validate({"topic": {}})
    catalog["params:compute"] = ComputeOptions(workers=1)
    catalog["prediction_log"] = str(folder / "data/07_model_output/predictions")
    hooks, clock = _create_hook_manager(), Clock()
    hooks.register(clock)
    SequentialRunner().run(create_pipeline(), catalog, hook_manager=hooks)
    return clock.nodes


def run_pandas(manifest, folder):
    import pandas as pd

    pd.read_csv(manifest, dtype=str, keep_default_na=False).to_parquet(folder / "manifest.parquet", index=False)


def run_pyarrow(manifest, folder):
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    names = manifest.open(encoding="utf-8").readline().strip().split(",")
    text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(manifest, convert_options=text), folder / "manifest.parquet")


CONTENDERS = {"cu-pipeline": run_collect, "pandas CSV to Parquet": run_pandas, "pyarrow CSV to Parquet": run_pyarrow}


def measure_here(name, manifest, warm_up):
    """Run one contender in this process; print what it took."""
    for first in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            started, busy = time.perf_counter(), time.process_time()
            nodes = CONTENDERS[name](warm_up if first else manifest, Path(folder))
            taken = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
    print(json.dumps(taken | {"nodes": nodes or {}}))


def measure(name, manifest, warm_up):
    """Run one contender in a fresh process and watch its memory."""
    command = [sys.executable, __file__, "--here", name, "--manifest", str(manifest), "--warm-up", str(warm_up)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        peak = max(peak, _tree_bytes(watched))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return json.loads(process.stdout.read().splitlines()[-1]) | {"peak_gb": peak / 2**30}


def _tree_bytes(process):
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--names", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--output", type=Path)
    for internal in ("--here", "--manifest", "--warm-up"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        return measure_here(arguments.here, Path(arguments.manifest), Path(arguments.warm_up))
    report = {"machine": {"cores": os.cpu_count(), "platform": platform.platform()}, "sizes": []}
    with tempfile.TemporaryDirectory() as folder:
        warm_up = Path(folder, "warm-up.csv")
        write_manifest(warm_up, 100)
        for rows in sorted(arguments.rows):
            manifest = Path(folder, f"{rows}.csv")
            write_manifest(manifest, rows)
            repeats = 1 if rows == max(arguments.rows) else arguments.repeats
            for name in arguments.names:
                found = [measure(name, manifest, warm_up) for _ in range(repeats)]
                report["sizes"].append({"rows": rows, "name": name} | _medians(found))
                _tell(report["sizes"])
            manifest.unlink()
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return None


def _medians(found):
    keys = ("seconds", "cpu_seconds", "peak_gb")
    nodes = {
        node: {key: statistics.median(one["nodes"][node][key] for one in found) for key in measured}
        for node, measured in found[0]["nodes"].items()
    }
    return {key: statistics.median(one[key] for one in found) for key in keys} | {"nodes": nodes}


def _tell(sizes):
    """Print the newest line of the table."""
    now = sizes[-1]
    if len(sizes) == 1:
        print(f"{'rows':>9}  {'':24}{'s':>8}{'cpu s':>8}{'rows/s':>9}{'GB':>7}  to linear (cpu)")
    before = [one for one in sizes[:-1] if one["name"] == now["name"]]
    line = f"{now['rows']:9}  {now['name']:24}{now['seconds']:8.2f}{now['cpu_seconds']:8.2f}"
    line += f"{now['rows'] / now['seconds']:9.0f}{now['peak_gb']:7.2f}"
    if before:
        growth = now["rows"] / before[-1]["rows"]
        linear = [now[key] / before[-1][key] / growth for key in ("seconds", "cpu_seconds")]
        now["to_linear"] = linear[0]
        line += f"  {linear[0]:.2f} ({linear[1]:.2f})"
    print(line, flush=True)
    for node, measured in now["nodes"].items():
        took, resident = measured["cpu_seconds"], measured["resident_gb"]
        print(f"{'':11}{node:24}{'':10}{took:8.2f}{'':9}{resident:7.2f}", flush=True)


if __name__ == "__main__":
    main()
