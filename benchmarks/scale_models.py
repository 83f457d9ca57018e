"""Time and memory of training, evaluation and the search for wrong labels on many captions, beside scikit-learn.

    make bench-scale-models [CLIPS=100000] [CLASSES=16] [VIDEOS=1]
    python benchmarks/scale_models.py [--clips 100000] [--classes 16] [--videos] [--output scale_models.json]

A seeded generator makes the captions: nine words each, as common as in texts (Zipf's law), half of them from the
class's own part of the vocabulary. A creator has ten clips, mostly of one class; 70, 15 and 15 % of the creators are
for training, validation and test. Beside its caption each clip has a vector of 384 numbers that tells little of its
class, in place of the caption encoder's, which has nothing to do here. With `--videos` it also has what extractors make
of videos, eight vectors of 1,280 numbers among it, of which each tells as little: 41 kB a clip.

Tables and features are first written as collect, featurize and label leave them: Parquet files, and a feature store
whose parts have 32 contents each. Then each stage is a fresh process: the search for wrong labels of `label`, and the
pipelines `train` and `evaluate` on the shipped catalog (without the node that asks MLflow for champions). Of every
node its seconds are told, by the clock and of the processors, the latter being less disturbed by what else the machine
does, and the peak memory of the process while it ran, what is loaded and saved for it included. At last a plain
`TfidfVectorizer` (words and pairs) with `LogisticRegression(solver="saga")` learns the same, with captions in memory.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
SEED = 17
WORDS = 9
CLIPS_OF_A_CREATOR = 10
WIDTH = 384
TOGETHER = 32
"""Contents of a part of the feature store, as featurize writes it."""

CATALOGS = ("collect", "featurize", "label", "train", "evaluate", "deliver")


def feed(clips, classes, first=0):
    """Make captions, labels and splits, and what makes the vectors, some clips at a time; behind `first` others."""
    random = np.random.default_rng(SEED)
    vocabulary = np.array(["".join(random.choice(list("abcdefghiklmnoprstuvw"), random.integers(3, 9)))
                           for _ in range(20_000)])  # fmt: skip
    random = np.random.default_rng([SEED, first]) if first else random
    creators = np.arange(clips) // CLIPS_OF_A_CREATOR
    usual = random.integers(0, classes, creators[-1] + 1)[creators]
    answers = np.where(random.random(clips) < 0.4, random.integers(0, classes, clips), usual)
    ranks = np.minimum(random.zipf(1.3, (clips, WORDS)) - 1, len(vocabulary) - 1)
    own = ranks - ranks % classes + answers[:, None]
    chosen = np.where(random.random((clips, WORDS)) < 0.5, np.minimum(own, len(vocabulary) - 1), ranks)
    draw = random.random(creators[-1] + 1)[creators]
    centres = np.random.default_rng(0).normal(size=(classes, WIDTH)) * 0.05
    known = pd.DataFrame(
        {
            "clip_id": [f"clip{number:07}" for number in range(first, first + clips)],
            "text": [" ".join(row) for row in vocabulary[chosen]],
            "label": [f"class {one:02}" for one in answers],
            "group": [f"creator{one}" for one in creators + first // CLIPS_OF_A_CREATOR],
            "split": np.select([draw < 0.7, draw < 0.85], ["train", "validation"], "test"),
        }
    )
    return known, lambda rows: (centres[answers[rows]] + random.normal(size=(len(rows), WIDTH))).astype(np.float32)


class Clock:
    """Tells seconds and peak memory of each part."""

    def __init__(self):
        self.taken = {}
        self._begin()

    def _begin(self):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # sets the peak back to what is held now
        self._last = (time.perf_counter(), time.process_time())

    def lap(self, name):
        now = (time.perf_counter(), time.process_time())
        seconds, busy = (round(later - earlier, 1) for later, earlier in zip(now, self._last, strict=True))
        self.taken[name] = {"seconds": seconds, "cpu_seconds": busy, "peak_gb": memory("VmHWM")}
        print(f"{name}: {self.taken[name]}, then {memory('VmRSS')} GB", file=sys.stderr)
        self._begin()


def memory(which):
    """Gigabytes of this process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{which}:"))
    return round(int(line.split()[1]) / 2**20, 2)


def write_project(folder, clips, classes, *, videos=False):
    """Write tables and features as collect, featurize and label would have left them."""
    from cu_pipeline.core.capability import Capability
    from cu_pipeline.core.records import LABELS, table
    from cu_pipeline.core.resolved import ResolvedCapabilities
    from cu_pipeline.features.table import FeatureOptions, build_all

    known, vectors = feed(clips, classes)
    files = catalog(folder)
    rows, told = tables(known)
    if videos:
        rows["media_sha256"] = rows["clip_id"].map(lambda name: hashlib.sha256(name.encode()).hexdigest())
    files["clips"].save(rows)
    files["annotations"].save(told)
    beside = {"probability": 1.0, "source": "human", "annotators": 1, "certified": False}
    files["labels"].save(table(told.assign(**beside), LABELS))
    topic = Capability(classes=tuple(sorted(set(known["label"]))))
    files["capabilities_resolved"].save(ResolvedCapabilities({"topic": topic}))
    store, extractors = files["features"].load(), build_all(FeatureOptions())
    seen = rows["text_sha256"].duplicated().to_numpy()
    for start in range(0, clips, 250 * TOGETHER):
        block = np.arange(start, min(start + 250 * TOGETHER, clips))
        values, fresh = vectors(block), ~seen[block]
        keys, texts = rows["text_sha256"].to_numpy()[block][fresh], rows["text"].to_numpy(dtype=object)[block][fresh]
        for first in range(0, len(keys), TOGETHER):
            part = slice(first, first + TOGETHER)
            store.append(extractors["captions"].identity, list(keys[part]), values[fresh][part])
            store.append(extractors["caption_text"].identity, list(keys[part]), texts[part])
    if videos:
        for one in (one for one in extractors.values() if one.source == "media"):
            write_media(store, one.identity, rows["media_sha256"].tolist(), known["label"])


def write_media(store, identity, keys, labels):
    """Write vectors of videos, of which each tells a little of the class."""
    random = np.random.default_rng(SEED)
    codes, names = pd.factorize(labels, sort=True)
    centres = random.normal(size=(len(names), identity.shape[-1])).astype(np.float32) * np.float32(0.03)
    centres = centres.reshape(len(names), *[1] * (len(identity.shape) - 1), -1)
    for first in range(0, len(keys), TOGETHER):
        part = slice(first, first + TOGETHER)
        noise = random.standard_normal((len(keys[part]), *identity.shape), dtype=np.float32)
        store.append(identity, keys[part], noise + centres[codes[part]])


def tables(known):
    """The tables of clips and of people's annotations, as collect and label leave them."""
    from cu_pipeline.core.hashing import text_sha256
    from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table

    facts = {"raw_text": known["text"], "text_sha256": known["text"].map(text_sha256), "has_audio": False, "bytes": 0}
    facts |= {"media_sha256": "", "creator": known["group"], "metadata": "{}", "feed": "captions.csv", "lang": "en"}
    facts |= dict.fromkeys(("path", "lang_source", "codec"), "") | {"posted_at": "2026-01-01T00:00:00+00:00"}
    people = {"kind": "human", "annotator": "label", "version": "", "draw": ""}
    told = known[["clip_id", "label"]].assign(capability="topic", probabilities="", price=0.0, **people)
    return table(known.drop(columns="label").assign(**facts), CLIPS), table(told, ANNOTATIONS)


def catalog(folder):
    """The shipped catalog, with its files in another folder."""
    import yaml
    from kedro.io import DataCatalog

    entries = {}
    for name in CATALOGS:
        entries |= yaml.safe_load((ROOT / f"conf/base/catalog_{name}.yml").read_text(encoding="utf-8"))
    for entry in entries.values():
        if "filepath" in entry:
            entry["filepath"] = str(folder / entry["filepath"])
        entry.pop("place", None)
        entry.pop("cache_gb", None)
    return DataCatalog.from_config({name: one for name, one in entries.items() if not name.startswith("_")})


def run_label(folder, clock):
    """Search for wrong labels."""
    from cu_pipeline.labeling.people.label_errors import suspect_labels
    from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions

    files = catalog(folder)
    tables, resolved = (files[name].load() for name in ("clips", "annotations")), files["capabilities_resolved"].load()
    suspect_labels(*tables, resolved.active, PeopleOptions(), ErrorOptions(), SEED)
    clock.lap("label: find_label_errors")
    return {}


def run_train(folder, clock):
    """Train by the pipeline."""
    from cu_pipeline.compute.engine import ComputeOptions
    from cu_pipeline.models.families import TrainOptions
    from cu_pipeline.pipelines.train.pipeline import create_pipeline

    options = TrainOptions(**({"features_gb": clock.features_gb} if clock.features_gb else {}))
    shutil.rmtree(folder / "data/06_models", ignore_errors=True)  # of an earlier run, which would be kept
    _run_nodes(create_pipeline().nodes, folder, clock, {"params:train": options, "params:compute": ComputeOptions()})
    return {}


def run_evaluate(folder, clock):
    """Evaluate by the pipeline; no model is served yet."""
    from cu_pipeline.evaluation.measurement import EvaluateOptions
    from cu_pipeline.pipelines.evaluate.pipeline import create_pipeline

    (folder / "data/08_reporting/insights.json").unlink(missing_ok=True)
    (folder / "data/06_models/gate_tests.jsonl").unlink(missing_ok=True)
    nodes = [node for node in create_pipeline().nodes if node.name != "find_champions"]
    given = {"params:evaluate": EvaluateOptions(), "champion_bundles": {}, "taken_back": {}}
    files = _run_nodes(nodes, folder, clock, given)
    found = files["metrics"].load()["topic"]["test"]
    return {name: round(found[name], 4) for name in ("accuracy", "macro_f1", "ece")}


def _run_nodes(nodes, folder, clock, given):
    from kedro.framework.hooks import hook_impl
    from kedro.framework.hooks.manager import _create_hook_manager
    from kedro.pipeline import Pipeline
    from kedro.runner import SequentialRunner

    from cu_pipeline.features.table import FeatureOptions

    class Laps:
        @hook_impl
        def after_node_run(self, node):
            clock.lap(f"{clock.name}: {node.name}")

    files, hooks = catalog(folder), _create_hook_manager()
    for name, value in ({"params:seed": SEED, "params:featurize.extractors": FeatureOptions()} | given).items():
        files[name] = value
    hooks.register(Laps())
    SequentialRunner().run(Pipeline(nodes), files, hook_manager=hooks)
    return files


def run_scikit_learn(folder, clock):
    """Fit what first comes to mind, and measure it."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    files = catalog(folder)
    known = files["clips"].load()[["clip_id", "text", "split"]].merge(files["labels"].load()[["clip_id", "label"]])
    test = known["split"] == "test"
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        LogisticRegression(C=10, solver="saga", random_state=0),
    )
    model.fit(known.loc[~test, "text"], known.loc[~test, "label"])
    clock.lap("scikit-learn: fit")
    said = model.predict(known.loc[test, "text"])
    clock.lap("scikit-learn: predict")
    truth = known.loc[test, "label"]
    quality = {"accuracy": (said == truth).mean(), "macro_f1": f1_score(truth, said, average="macro")}
    return {name: round(float(value), 4) for name, value in quality.items()}


STAGES = {"label": run_label, "train": run_train, "evaluate": run_evaluate, "scikit-learn": run_scikit_learn}


def measure_here(name, folder, features_gb):
    """Run one stage in this process, and print what it took."""
    import logging

    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.WARNING)
    clock = Clock()
    clock.name, clock.features_gb = name, features_gb
    quality = STAGES[name](folder, clock)
    parts = clock.taken
    total = {unit: round(sum(one[unit] for one in parts.values()), 1) for unit in ("seconds", "cpu_seconds")}
    peak = max(one["peak_gb"] for one in parts.values())
    print(json.dumps({"name": name, "parts": parts} | total | {"peak_gb": peak} | quality))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=16)
    parser.add_argument("--videos", action="store_true", help="clips have vectors of frames, too")
    parser.add_argument("--features-gb", type=float, help="train.features_gb; else its default")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--folder", type=Path, help="of the tables and features, kept and used again; else a new one")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--here", choices=["write", *STAGES], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here == "write":
        return write_project(arguments.folder, arguments.clips, arguments.classes, videos=arguments.videos)
    if arguments.here:
        return measure_here(arguments.here, arguments.folder, arguments.features_gb)
    with tempfile.TemporaryDirectory() as fresh:
        folder = (arguments.folder or Path(fresh)).resolve()
        if not (folder / "data/05_model_input/capabilities.json").exists():
            _in_a_process("write", folder, arguments)
        report = {"machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "platform": platform.platform()},
                  "clips": arguments.clips, "classes": arguments.classes, "videos": arguments.videos,
                  "features_gb": arguments.features_gb, "stages": []}  # fmt: skip
        for name in arguments.stages:
            report["stages"].append(json.loads(_in_a_process(name, folder, arguments).splitlines()[-1]))
            print(json.dumps(report["stages"][-1]), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return None


def _in_a_process(name, folder, arguments):
    command = [sys.executable, __file__, "--here", name, "--folder", str(folder)]
    command += ["--clips", str(arguments.clips), "--classes", str(arguments.classes)]
    command += ["--videos"] if arguments.videos else []
    command += ["--features-gb", str(arguments.features_gb)] if arguments.features_gb else []
    environment = os.environ | {"CU_PIPELINE_ROOT": str(folder)}
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout


if __name__ == "__main__":
    main()
