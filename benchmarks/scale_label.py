"""Time and memory of label and monitor on many clips and a long log, node by node.

    make bench-scale-label [CLIPS=100000] [STAGES="label monitor"] [DAYS=60] [FOLDER=kept]
    python benchmarks/scale_label.py [--clips 100000] [--classes 16] [--unlabelled 0.01] [--stages label monitor]

Captions are those of benchmarks/scale_models.py, as collect leaves them, made half a million at a time. `label` runs
its pipeline on the shipped catalog, as after the first collect. With `--unlabelled` a share of the clips has no label
by people and waits for the language model, up to 500 of them; its answers lie in the log of calls, as after an earlier
run, and vectors in the feature store. `monitor` compares a log of as many answers, spread over `--days`, of a new
creator for every fifth and with embeddings of 384 numbers, with a reference of 2,000 clips, when nothing was decided
before. Each stage is a process of its own, of which a line of JSON is printed and, with `--output`, kept. Of every node
its seconds are told, by the clock and of the processor, and the peak memory of the process while it ran, what is loaded
and saved for it included. Ten million clips lie in 3 GB of files, as many answers in 20 GB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

import scale_models
from scale_models import ROOT, SEED, Clock, catalog, write_project

MONITOR = ("deliver", "monitor")
START = datetime(2026, 3, 4, tzinfo=UTC)
WIDTH = 384
PARTS = {"captions@2b": WIDTH}
VERSION = "32cc52d8f298"
BLOCK = 500_000
"""Clips that are made at a time."""


def write_label(folder, clips, classes, unlabelled):
    """Write what collect and featurize leave, and the language model's answers of an earlier run."""
    from cu_pipeline.core.records import DUPLICATES, table
    from cu_pipeline.core.spool import Spool

    files = _files(folder)
    if unlabelled:
        scale_models.TOGETHER = max(scale_models.TOGETHER, clips // 2000)
        write_project(folder, clips, classes)
        known = pd.read_parquet(folder / "data/02_intermediate/annotations.parquet")
        waiting = np.random.default_rng(SEED).random(len(known)) < unlabelled
        files["feed_annotations"].save(known[~waiting].reset_index(drop=True))
    else:  # nothing is asked about any clip, so that no feature is read
        spools = Spool(), Spool()
        for first in range(0, clips, BLOCK):
            known, _ = scale_models.feed(min(BLOCK, clips - first), classes, first)
            for spool, made in zip(spools, scale_models.tables(known), strict=True):
                spool.add(made)
        files["clips"].save(spools[0].rows())
        files["feed_annotations"].save(spools[1].rows())
    files["duplicates"].save(table([], DUPLICATES))
    files["feed_checks"].save({"least": 10})


def _files(folder):
    scale_models.CATALOGS = (*dict.fromkeys((*scale_models.CATALOGS, *MONITOR)),)
    files = catalog(folder)
    for name in ("prompts", "label_rules"):
        files[name]._filepath = ROOT / "conf/base" / files[name]._filepath.name
    return files


def run_label(folder, clock, classes):
    """Label by the pipeline."""
    from cu_pipeline.compute.engine import ComputeOptions
    from cu_pipeline.core.capability import Capabilities
    from cu_pipeline.labeling.options import LabelOptions
    from cu_pipeline.pipelines.label.pipeline import create_pipeline

    options = LabelOptions()
    given = {f"params:label.{name}": getattr(options, name) for name in LabelOptions.model_fields}
    topic = {"classes": [f"class {one:02}" for one in range(classes)]}
    given |= {"params:capabilities": Capabilities.model_validate({"topic": topic})}
    given |= {"params:compute": ComputeOptions(workers=1)}
    _run(create_pipeline().nodes, folder, clock, given)


def write_monitor(folder, records, days):
    """Write a log that spans some days."""
    from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog

    rng = np.random.default_rng(0)
    place = folder / "data/07_model_output/prediction_log"
    log = PredictionLog.open(str(place), LogOptions(retention_days=36_500, flush_s=60, spool_bytes=2**40))
    for first in range(0, records, 5000):
        for number in range(first, min(first + 5000, records)):
            assert log.append(_record(number, records, rng, days))
        assert log.flush()
    log.close()


def _record(number, records, rng, days=60):
    from cu_pipeline.inference.prediction_log import PredictionRecord, encode_embedding

    topics = dict(zip("abcdef", rng.dirichlet(np.ones(6)).tolist(), strict=True))
    name = f"{number:064x}"
    return PredictionRecord(
        time=START + timedelta(days=days * number / records),
        request_id=f"{number:032x}",
        labels={"topic": max(topics, key=topics.get)},
        probabilities={"topic": topics},
        versions={"topic": VERSION},
        embedding=encode_embedding(rng.normal(size=WIDTH)),
        parts=PARTS,
        facts={"text_length": float(rng.integers(10, 200)), "language": "en"},
        timings={"encode": 10.25, "score": 1.5},
        creator=f"creator {number // 5}",
        text_sha256=name,
    )


def reference(clips):
    """Clips that the served model learned from, like those of the log."""
    rng = np.random.default_rng(1)
    records = [_record(number, clips, rng) for number in range(clips)]
    vectors = [np.frombuffer(one.embedding, dtype="<f2") for one in records]
    return pd.DataFrame(
        {
            "clip_id": [one.request_id for one in records],
            "split": ["train", "validation"] * (clips // 2),
            "group": [f"creator:before {number // 5}" for number in range(clips)],
            "content": [f"before {number}" for number in range(clips)],
            "embedding": vectors,
            "parts": json.dumps(PARTS),
            "labels": [json.dumps(one.labels) for one in records],
            "label": [json.dumps(one.labels) for one in records],
            "predictions": [json.dumps(one.probabilities) for one in records],
            "versions": json.dumps({"topic": VERSION}),
            "duration_s": np.nan, "width": np.nan, "height": np.nan, "fps": np.nan, "bytes": 0.0,
            "has_caption": 1.0, "has_video": 0.0, "language": "en",
            "text_length": [one.facts["text_length"] for one in records],
        }
    )  # fmt: skip


def run_monitor(folder, clock, _):
    """Compare by the pipeline, without the nodes that read bundles and captures."""
    from cu_pipeline.core.capability import Capability
    from cu_pipeline.core.resolved import ResolvedCapabilities
    from cu_pipeline.drift.options import DriftOptions
    from cu_pipeline.pipelines.monitor.pipeline import create_pipeline

    options = DriftOptions(facts=("text_length",))
    given = {"params:monitor": options, "references": {"topic": reference(2000)}, "champions": {}}
    given |= {f"params:monitor.{name}": getattr(options, name) for name in ("diagnosis", "quality", "history")}
    given |= {"delivery": {"capabilities": {"topic": {"model_version": VERSION}}}, "label_summary": {}}
    given |= {
        "drift_pictures": _no_pictures(),
        "clips": pd.DataFrame(columns=["clip_id", "media_sha256", "text_sha256"]),
    }
    given |= {"annotations": pd.DataFrame(columns=["clip_id", "kind", "draw", "capability", "label"])}
    given |= {"capabilities_resolved": ResolvedCapabilities({"topic": Capability(classes=tuple("abcdef"))})}
    nodes = [node for node in create_pipeline().nodes if node.name not in ("read_references", "picture_causes")]
    files = _run(nodes, folder, clock, given)
    drift = files["drift"].load()
    print({name: drift[name] for name in ("decision", "windows", "current")}, file=sys.stderr)


def _no_pictures():
    from cu_pipeline.reports.drift_pictures import DriftPictures

    return DriftPictures()


def _run(nodes, folder, clock, given):
    from kedro.framework.hooks import hook_impl
    from kedro.framework.hooks.manager import _create_hook_manager
    from kedro.pipeline import Pipeline
    from kedro.runner import SequentialRunner

    from cu_pipeline.features.table import FeatureOptions

    class Laps:
        @hook_impl
        def after_node_run(self, node):
            clock.lap(node.name)

    files, hooks = _files(folder), _create_hook_manager()
    for name, value in ({"params:seed": SEED, "params:featurize.extractors": FeatureOptions()} | given).items():
        files[name] = value
    hooks.register(Laps())
    SequentialRunner().run(Pipeline(nodes), files, hook_manager=hooks)
    return files


STAGES = {"label": run_label, "monitor": run_monitor}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=16)
    parser.add_argument("--unlabelled", type=float, default=0.0)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--folder", type=Path, help="of the tables and the log, kept and used again; else a new one")
    parser.add_argument("--days", type=float, default=60, help="that the log spans")
    parser.add_argument("--output", type=Path, help="a file for what is printed")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.resolve() if given.folder else None
    if given.here == "write label":
        write_label(folder, given.clips, given.classes, given.unlabelled)
    elif given.here == "write monitor":
        write_monitor(folder, given.clips, given.days)
    elif given.here:
        import logging
        import warnings

        warnings.simplefilter("ignore")
        logging.basicConfig(level=logging.WARNING)
        clock = Clock()
        STAGES[given.here](folder, clock, given.classes)
        parts = clock.taken
        print(
            json.dumps(
                {
                    "stage": given.here,
                    "parts": parts,
                    "cpu_seconds": round(sum(one["cpu_seconds"] for one in parts.values()), 1),
                    "peak_gb": max(one["peak_gb"] for one in parts.values()),
                }
            )
        )
    else:
        with tempfile.TemporaryDirectory() as fresh:
            _measure(given, folder or Path(fresh))


def _measure(given, folder):
    told = []
    for stage in given.stages:
        done = folder / f"{stage}.written"
        if not done.exists():
            _in_a_process(f"write {stage}", folder, given)
            done.touch()
        told.append(json.loads(_in_a_process(stage, folder, given).splitlines()[-1]) | {"clips": given.clips})
        print(json.dumps(told[-1]), flush=True)
    if given.output:
        given.output.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _in_a_process(name, folder, given):
    command = [sys.executable, __file__, "--here", name, "--folder", str(folder), "--clips", str(given.clips)]
    command += ["--classes", str(given.classes), "--unlabelled", str(given.unlabelled), "--days", str(given.days)]
    environment = os.environ | {"CU_PIPELINE_ROOT": str(folder)}
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout


if __name__ == "__main__":
    main()
