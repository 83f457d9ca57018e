"""Time and memory of training, evaluation and the search for wrong labels on many captions, beside scikit-learn.

    make bench-scale-models [CLIPS=100000] [CLASSES=16]
    python benchmarks/scale_models.py [--clips 100000] [--classes 16] [--output scale_models.json]

A seeded generator makes the captions: nine words each, as common as in texts (Zipf's law), half of them from the
class's own part of the vocabulary. A creator has ten clips, mostly of one class; 70, 15 and 15 % of the creators are
for training, validation and test. Beside its caption each clip has a vector of 384 numbers that tells little of its
class, in place of the caption encoder's, which has nothing to do here.

Two fresh processes learn the same: the nodes of `train` and `evaluate` and the search for wrong labels of `label`, and
a plain `TfidfVectorizer` (words and pairs) with `LogisticRegression(solver="saga")`. Seconds are told by the clock and
of the processors, the latter being less disturbed by what else the machine does; peak memory is that of the process.
Making captions and filling the feature store come before the clock starts.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 17
WORDS = 9
CLIPS_OF_A_CREATOR = 10


def feed(clips, classes):
    """Make the captions, labels and splits."""
    random = np.random.default_rng(SEED)
    vocabulary = np.array(["".join(random.choice(list("abcdefghiklmnoprstuvw"), random.integers(3, 9)))
                           for _ in range(20_000)])  # fmt: skip
    creators = np.arange(clips) // CLIPS_OF_A_CREATOR
    usual = random.integers(0, classes, creators[-1] + 1)[creators]
    answers = np.where(random.random(clips) < 0.4, random.integers(0, classes, clips), usual)
    ranks = np.minimum(random.zipf(1.3, (clips, WORDS)) - 1, len(vocabulary) - 1)
    own = ranks - ranks % classes + answers[:, None]
    chosen = np.where(random.random((clips, WORDS)) < 0.5, np.minimum(own, len(vocabulary) - 1), ranks)
    draw = random.random(creators[-1] + 1)[creators]
    vectors = np.random.default_rng(0).normal(size=(classes, 384))[answers] * 0.05 + random.normal(size=(clips, 384))
    return pd.DataFrame(
        {
            "clip_id": [f"clip{number:07}" for number in range(clips)],
            "text": [" ".join(row) for row in vocabulary[chosen]],
            "label": [f"class {one:02}" for one in answers],
            "group": [f"creator{one}" for one in creators],
            "split": np.select([draw < 0.7, draw < 0.85], ["train", "validation"], "test"),
        }
    ), vectors.astype(np.float32)


class Clock:
    """Tells the seconds of each part."""

    def __init__(self):
        self.taken, self._last = {}, (time.perf_counter(), time.process_time())

    def lap(self, name):
        now = (time.perf_counter(), time.process_time())
        seconds, busy = (round(later - earlier, 1) for later, earlier in zip(now, self._last, strict=True))
        self.taken[name], self._last = {"seconds": seconds, "cpu_seconds": busy, "peak_gb": peak_gb()}, now
        print(f"{name}: {self.taken[name]}", file=sys.stderr)


def peak_gb():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def run_pipelines(known, vectors, folder):
    """Run the nodes on tables and a feature store as collect, featurize and label would have left them."""
    from cu_pipeline.core.capability import Capability
    from cu_pipeline.core.hashing import text_sha256
    from cu_pipeline.core.records import ANNOTATIONS, CLIPS, LABELS, table
    from cu_pipeline.core.resolved import ResolvedCapabilities
    from cu_pipeline.evaluation.measurement import EvaluateOptions
    from cu_pipeline.features.store import FeatureStore
    from cu_pipeline.features.table import FeatureOptions, build_all
    from cu_pipeline.inference.predictions_table import predict_table
    from cu_pipeline.labeling.people.label_errors import suspect_labels
    from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions
    from cu_pipeline.models.families import TrainOptions
    from cu_pipeline.models.training import training_data
    from cu_pipeline.pipelines.evaluate import nodes as evaluate
    from cu_pipeline.pipelines.train.nodes import train_models

    facts = {"raw_text": known["text"], "text_sha256": known["text"].map(text_sha256), "has_audio": False, "bytes": 0}
    clips = table(known.drop(columns="label").assign(media_sha256="", creator=known["group"], **facts), CLIPS)
    said = known[["clip_id", "label"]].assign(capability="topic", kind="human", annotator="label")
    annotations = table(said, ANNOTATIONS)
    beside = {
        "probability": 1.0,
        "probabilities": "",
        "source": "human",
        "annotators": 1,
        "certified": False,
        "price": 0.0,
    }
    labels = table(said.drop(columns=["kind", "annotator"]).assign(**beside), LABELS)
    topic = {"topic": Capability(classes=tuple(sorted(set(known["label"]))))}
    store, extractors = FeatureStore(folder), build_all(FeatureOptions())
    first = ~clips["text_sha256"].duplicated()
    keys = clips.loc[first, "text_sha256"].tolist()
    store.append(extractors["captions"].identity, keys, vectors[first])
    store.append(extractors["caption_text"].identity, keys, clips.loc[first, "text"].to_numpy(dtype=object))

    options, clock = EvaluateOptions(), Clock()
    suspect_labels(clips, annotations, topic, PeopleOptions(), ErrorOptions(), SEED)
    clock.lap("label: find_label_errors")
    data = {"topic": training_data("topic", topic["topic"], clips, labels)}
    bundles, _, _ = train_models(data, store, {}, TrainOptions(), FeatureOptions(), SEED)
    clock.lap("train")
    judged = evaluate.join_truth(clips, labels, annotations, bundles)
    predictions = predict_table(clips, store, bundles)
    clock.lap("evaluate: predict")
    answers = evaluate.hold_against_truth(judged, predictions, bundles)
    found = evaluate.measure_models(answers, options, SEED)["topic"]["test"]
    clock.lap("evaluate: measure")
    told = evaluate.answer_by_baselines(judged, bundles, store, ResolvedCapabilities(topic), SEED)
    evaluate.measure_baselines(told, judged, answers, {}, options, SEED)
    clock.lap("evaluate: baselines")
    return clock.taken, {name: round(found[name], 4) for name in ("accuracy", "macro_f1", "ece")}


def run_scikit_learn(known, _vectors, _folder):
    """Fit what first comes to mind, and measure it."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    test, clock = known["split"] == "test", Clock()
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        LogisticRegression(C=10, solver="saga", random_state=0),
    )
    model.fit(known.loc[~test, "text"], known.loc[~test, "label"])
    clock.lap("fit")
    said = model.predict(known.loc[test, "text"])
    clock.lap("predict")
    truth = known.loc[test, "label"]
    quality = {"accuracy": (said == truth).mean(), "macro_f1": f1_score(truth, said, average="macro")}
    return clock.taken, {name: round(float(value), 4) for name, value in quality.items()}


CONTENDERS = {"cu-pipeline": run_pipelines, "scikit-learn": run_scikit_learn}


def measure_here(name, clips, classes):
    """Run one contender in this process, and print what it took."""
    warnings.simplefilter("ignore")
    known, vectors = feed(clips, classes)
    with tempfile.TemporaryDirectory() as folder:
        taken, quality = CONTENDERS[name](known, vectors, Path(folder))
    total = {unit: round(sum(one[unit] for one in taken.values()), 1) for unit in ("seconds", "cpu_seconds")}
    print(json.dumps({"name": name, "parts": taken} | total | {"peak_gb": peak_gb()} | quality))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=16)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--here", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        return measure_here(arguments.here, arguments.clips, arguments.classes)
    report = {"machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "platform": platform.platform()},
              "clips": arguments.clips, "classes": arguments.classes, "contenders": []}  # fmt: skip
    for name in CONTENDERS:
        command = [sys.executable, __file__, "--here", name]
        command += ["--clips", str(arguments.clips), "--classes", str(arguments.classes)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        report["contenders"].append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(report["contenders"][-1]))
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
