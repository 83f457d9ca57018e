"""Model families beside what a practitioner gets with scikit-learn, on the same folds and the same stored features.

python benchmarks/models.py exercises=clips/manifest.csv titles=titles.csv --seeds 5 --output benchmarks/models.json

`--extractors motion` adds features that are not in use by default; `benchmarks/motion_set.py` makes clips for them.

Folds are by group (creators and near-duplicates). The columns are accuracy, macro-F1, expected calibration error of the
likeliest class in ten bins, mean negative log-likelihood, and seconds for all folds of a seed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.clip_features import content_column, read_features
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
from cu_pipeline.models.families import AUTO, FAMILIES, TrainOptions
from cu_pipeline.models.family import Candidate, Examples
from cu_pipeline.models.probabilities import temperature
from cu_pipeline.models.selection import Selector

ROOT = Path(__file__).parents[1]


def featurized(manifest, folder, options):
    """Run collect and featurize in a project of its own, and give clips with labels, classes and features."""
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("local", "__pycache__"))
    (folder / "conf" / "local").mkdir()
    chosen = {"featurize": {"extractors": {name: {} for name in options.root}}}
    (folder / "conf" / "local" / "parameters.yml").write_text(json.dumps(chosen))
    shutil.copy(ROOT / "pyproject.toml", folder)
    tool = Path(sys.executable).with_name("kedro")
    given = f"collect.manifest={manifest.resolve()}".replace(",", r"\,")
    subprocess.run(
        [tool, "run", "--pipelines=collect,featurize", "--params", given],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(folder / "src")}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    clips = pd.read_parquet(folder / "data/02_intermediate/clips.parquet")
    said = pd.read_parquet(folder / "data/02_intermediate/feed_annotations.parquet")
    capability = said["capability"].iloc[0]
    label = said[said["capability"] == capability].drop_duplicates("clip_id").set_index("clip_id")["label"]
    clips = clips[clips["clip_id"].isin(label.index)].reset_index(drop=True)
    store = FeatureStore(folder / "data/04_feature")
    inputs = {name: FeatureInput.of(one) for name, one in build_all(options).items()}
    inputs = {name: one for name, one in inputs.items() if (clips[content_column(name)] != "").any()}
    answers, classes = pd.factorize(label.loc[clips["clip_id"]], sort=True)
    return clips, answers, len(classes), read_features(clips, store, inputs)


def regression(matrix, answers, strength, balance=None):
    return LogisticRegression(C=strength, max_iter=300, class_weight=balance).fit(matrix, answers)


def chances(model, matrix, classes):
    found = np.full((matrix.shape[0], classes), 1e-6)
    found[:, model.classes_] = model.predict_proba(matrix)
    return found / found.sum(axis=1, keepdims=True)


def words():
    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")


def characters():
    return TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), min_df=2)


def texts_alone(texts, answers, classes, seen, unseen):
    """Words, and words with characters: name -> probabilities of the unseen clips."""
    counted = words().fit(texts[seen])
    alone = [counted.transform(texts[part]) for part in (seen, unseen)]
    found = {"tfidf": chances(regression(alone[0], answers[seen], 10), alone[1], classes)}
    spelt = characters().fit(texts[seen])
    both = [
        sparse.hstack([words_in, spelt.transform(texts[part])])
        for words_in, part in zip(alone, (seen, unseen), strict=True)
    ]
    found["words+characters"] = chances(regression(both[0], answers[seen], 10, "balanced"), both[1], classes)
    return found


def pooled(steps):
    return [steps.std(axis=1), np.abs(np.diff(steps, axis=1)).mean(axis=1)]


def dense_features(features):
    """What is given to a logistic regression by itself: name -> (n, width)."""
    dense = {"captions": features["captions"].values} if "captions" in features.features else {}
    if "frames" in features.features:
        frames = features["frames"].values
        dense["frames"] = frames.mean(axis=1)
        dense["frame statistics"] = np.concatenate(pooled(frames), axis=1)
    if "motion" in features.features:
        motion = features["motion"].values
        dense["motion statistics"] = np.concatenate([motion.mean(axis=1), *pooled(motion)], axis=1)
        dense["frame and motion statistics"] = np.concatenate(
            [dense["frame statistics"], dense["motion statistics"]], 1
        )
    return dense


def the_obvious(texts, features, answers, classes, seen, unseen):
    """What scikit-learn gives in an hour: name -> probabilities of the unseen clips."""
    found = texts_alone(texts, answers, classes, seen, unseen) if any(texts) else {}
    for name, values in dense_features(features).items():
        scaled = StandardScaler().fit(values[seen])
        strength = 0.1 if name == "motion statistics" else 0.01
        fitted = regression(scaled.transform(values[seen]), answers[seen], strength)
        found[name] = chances(fitted, scaled.transform(values[unseen]), classes)
    if {"tfidf", "captions", "frames"} <= set(found):
        found["product"] = softmax(sum(np.log(found[name]) for name in ("tfidf", "captions", "frames")), axis=1)
    return found


def learned(family, examples, seen, seed):
    """Fit a family, or the best of several; one in seven groups chooses epochs."""
    options = TrainOptions(family=family)
    candidates = [
        Candidate(name, learner, group, learner.reads(examples.features.shapes))
        for name, group in options.candidates.items()
        if (learner := FAMILIES[name]())
    ]
    parts = StratifiedGroupKFold(7, shuffle=True, random_state=seed)
    rest, few = next(parts.split(seen, examples.targets[seen].argmax(axis=1), examples.groups[seen]))
    train, validation = examples.take(seen[rest]), examples.take(seen[few])
    if family == AUTO:
        selection = Selector(train, validation, Kind.SINGLE, seed).select(candidates, options.auto)
        chosen, fitted = selection.candidate, selection.fitted
    else:
        chosen = candidates[0]
        both = (train.only(chosen.inputs), validation.only(chosen.inputs))
        fitted = chosen.learner.fit(*both, Kind.SINGLE, chosen.options, seed)
    model = chosen.learner.load(fitted.config, fitted.weights)
    if fitted.cross_fitted is not None:
        logits, answers = fitted.cross_fitted, train.joined(validation).targets
        asked = np.isfinite(logits).all(axis=1)
        scale = temperature(logits[asked], answers[asked], Kind.SINGLE)
    else:
        logits = model.logits(validation.features.only(chosen.inputs))
        scale = temperature(logits, validation.targets, Kind.SINGLE)
    return lambda features: softmax(model.logits(features.only(chosen.inputs)).astype(float) / scale, axis=1)


def calibration_error(said, answers):
    sure, right = said.max(axis=1), said.argmax(axis=1) == answers
    bins = np.minimum((sure * 10).astype(int), 9)
    return sum((bins == one).mean() * abs(sure[bins == one].mean() - right[bins == one].mean()) for one in set(bins))


def measure(clips, answers, classes, features, families, seed, folds):
    texts = np.array(clips["text"], dtype=object)
    groups = pd.factorize(clips["group"])[0].astype(np.int64)
    examples = Examples(features, np.eye(classes, dtype=np.float32)[answers], groups)
    said, seconds = {}, {}
    for seen, unseen in StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(answers, answers, groups):
        for name, found in the_obvious(texts, features, answers, classes, seen, unseen).items():
            said.setdefault(name, np.zeros((len(answers), classes)))[unseen] = found
        for name in families:
            started = time.perf_counter()
            model = learned(name, examples, seen, seed)
            said.setdefault(name, np.zeros((len(answers), classes)))[unseen] = model(features.take(unseen))
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
    return {
        name: {
            "accuracy": float((found.argmax(axis=1) == answers).mean()),
            "macro_f1": float(f1_score(answers, found.argmax(axis=1), average="macro")),
            "calibration_error": float(calibration_error(found, answers)),
            "loss": float(-np.log(np.maximum(found[np.arange(len(answers)), answers], 1e-9)).mean()),
            "seconds": seconds.get(name),
        }
        for name, found in said.items()
    }


def table(by_seed):
    """Means over seeds, the most accurate first."""
    frame = pd.concat([pd.DataFrame(one).T for one in by_seed])
    means = frame.astype(float).groupby(level=0).mean()
    if "tfidf" in means.index:
        means["above_tfidf"] = [
            sum(one[name]["accuracy"] > one["tfidf"]["accuracy"] for one in by_seed) for name in means.index
        ]
    return means.sort_values("accuracy", ascending=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=MANIFEST")
    parser.add_argument("--families", nargs="+", default=[AUTO], choices=[AUTO, *FAMILIES])
    parser.add_argument("--extractors", nargs="+", default=[], help="in use beside the default ones")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, help="to go on where another measurement ended")
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)  # of classes with fewer clips than folds
    options = FeatureOptions({name: {} for name in [*FeatureOptions().root, *arguments.extractors]})
    results = {}
    for given in arguments.sets:
        name, _, manifest = given.partition("=")
        with tempfile.TemporaryDirectory() as folder:
            data = featurized(Path(manifest), Path(folder), options)
        by_seed = []
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            by_seed.append(measure(*data, arguments.families, seed, arguments.folds))
            print(f"\n{name}: {len(data[0])} clips, {data[2]} classes, {len(by_seed)} of {arguments.seeds} seeds")
            print(table(by_seed).round(3).to_string(), flush=True)
        results[name] = {"clips": len(data[0]), "seeds": by_seed}
        if arguments.output:
            arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
