"""How many labels each strategy of the queue needs, beside labels of clips that are drawn at random.

    python benchmarks/labels.py [titles=titles.csv ...] [--seeds 10] [--figure docs/images/labels.svg]

Clips of the generated world, whose truth is known, and of manifests with a column `label` are a pool whose labels
are hidden. A quarter of the clips, by group (creators and near-duplicates), is for testing, another for each seed. In
rounds a batch is chosen by the code that plans the queue (`selection.py` and `probe.py` of `labeling/people`), its
labels are shown, and a regression as in the `linear` family learns from all that were shown: all features side by side,
at one strength, that of the family's default ones with the least loss in cross-validation on all clips. No machine
labels anything. Where there are several capabilities, all are asked about each clip.

A strategy needs as many labels as bring the learner to 95 or 98 % of what it reaches with all of the pool's labels, as
the curve says, smoothed over three rounds, on a straight line between two rounds. Ratios to random are means over seeds
of logarithms, with 95 % intervals by Student's t over the seeds, which share their clips.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.metrics import f1_score

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.labeling.copies import without_copies
from cu_pipeline.labeling.people.options import QueueOptions
from cu_pipeline.labeling.people.probe import probe_uncertainty
from cu_pipeline.labeling.people.selection import STRATEGIES, Pool
from cu_pipeline.labeling.people.vectors import clip_vectors, stored_vectors
from cu_pipeline.models.folds import grouped_folds
from cu_pipeline.models.linear import LinearOptions
from cu_pipeline.models.logistic import Regressions, hard_labels
from cu_pipeline.models.probabilities import logits_loss, logits_to_probabilities

ROOT = Path(__file__).parents[1]
RANDOM, DEFAULT = "random", "the default: combined, 10 % at random"
DRAWN = QueueOptions().random_share
ARMS = {
    RANDOM: (None, 1.0),
    "uncertainty": ("uncertainty", 0.0),
    "diversity": ("diversity", 0.0),
    DEFAULT: (QueueOptions().strategy, DRAWN),
}
"""Arm -> strategy of the queue and share drawn at random."""

TARGETS = (0.95, 0.98)
MEASURES = ("accuracy", "macro_f1")
TESTED = 0.25


@dataclass(frozen=True)
class Corpus:
    """Clips whose labels are known.

    Attributes:
        vectors: (n, width).
        units: int64 (n).
        copies: int64 (n): the same number for near-duplicates.
        targets: capability -> bool (n, classes).
        kinds: capability -> its kind.
        batch: clips that are labelled in a round.
    """

    vectors: np.ndarray
    units: np.ndarray
    copies: np.ndarray
    targets: dict[str, np.ndarray]
    kinds: dict[str, Kind]
    batch: int


def featurized(manifest, folder):
    """Run collect and featurize in a project of its own, of the generated world without a manifest."""
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("local", "__pycache__"))
    (folder / "conf" / "local").mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    command = [Path(sys.executable).with_name("kedro"), "run", "--pipelines=collect,featurize"]
    if manifest:
        command += ["--params", f"collect.manifest={manifest.resolve()}".replace(",", r"\,")]
    surroundings = os.environ | {"PYTHONPATH": str(folder / "src")}
    subprocess.run(command, cwd=folder, env=surroundings, check=True, stdout=subprocess.DEVNULL)


def read_corpus(folder, batch):
    """Read clips, features and labels of a project that ran collect and featurize; copies are left out."""
    clips = pd.read_parquet(folder / "data/02_intermediate/clips.parquet")
    truth, capabilities = true_labels(folder)
    clips = without_copies(clips[clips["clip_id"].isin(truth.index)]).reset_index(drop=True)
    features = stored_vectors(clips, FeatureStore(folder / "data/04_feature"), build_all(FeatureOptions()).values())
    duplicates = pd.read_parquet(folder / "data/02_intermediate/duplicates.parquet").set_index("clip_id")
    copies = clips["clip_id"].map(duplicates["duplicate_group"]).fillna(clips["clip_id"])
    labels = truth.loc[clips["clip_id"]]
    return Corpus(
        vectors=clip_vectors(clips["text"].tolist(), features),
        units=pd.factorize(clips["group"])[0].astype(np.int64),
        copies=pd.factorize(copies)[0].astype(np.int64),
        targets={name: indicators(labels[name], one) for name, one in capabilities.items()},
        kinds={name: one.kind for name, one in capabilities.items()},
        batch=batch,
    )


def true_labels(folder):
    """Labels by clip and capability, and the capabilities."""
    world = folder / "data/01_raw/sample/truth.csv"
    if world.exists():
        truth = pd.read_csv(world).drop_duplicates("clip_id").set_index("clip_id")[["topic", "safety"]]
        violations = sorted({one for label in truth["safety"] for one in label.split("|")} - {"none"})
        return truth, {
            "topic": Capability(classes=sorted(truth["topic"].unique())),
            "safety": Capability(kind="multi", classes=violations),
        }
    said = pd.read_parquet(folder / "data/02_intermediate/feed_annotations.parquet")
    name = said["capability"].iloc[0]
    truth = said[said["capability"] == name].drop_duplicates("clip_id").set_index("clip_id")[["label"]]
    return truth.rename(columns={"label": name}), {name: Capability(classes=sorted(truth["label"].unique()))}


def regression(vectors, targets, kind, strength):
    return Regressions(vectors, hard_labels(targets.astype(np.float32), kind), kind, 100).fit(strength)


def best_strength(corpus, name):
    """The strength with the least loss on units that were not seen."""
    targets, kind = corpus.targets[name], corpus.kinds[name]
    folds = grouped_folds(corpus.units, targets, 3, 0)

    def loss(strength):
        parts = [
            logits_loss(
                regression(corpus.vectors[one.seen], targets[one.seen], kind, strength)
                .scores(corpus.vectors[one.unseen])
                .astype(np.float32),
                targets[one.unseen].astype(np.float32),
                kind,
            )
            for one in folds
        ]
        return float(np.mean(parts))

    return min(LinearOptions().strengths, key=loss)


def score(model, vectors, targets, kind):
    """Accuracy, of several classes all at once, and macro-F1."""
    chances = logits_to_probabilities(model.scores(vectors).astype(np.float32), kind, 1.0)
    if kind is Kind.SINGLE:
        said, truth = chances.argmax(axis=1), targets.argmax(axis=1)
        return [float((said == truth).mean()), float(f1_score(truth, said, average="macro", zero_division=0))]
    said = chances > 0.5
    found = [float((said == targets).all(axis=1).mean())]
    return [*found, float(f1_score(targets, said, average="macro", zero_division=0))]


def divided(corpus, seed):
    """Places of the pool and of the test clips."""
    order = np.random.default_rng(1000 + seed).permutation(corpus.units.max() + 1)
    shares = np.cumsum(np.bincount(corpus.units)[order]) / len(corpus.units)
    tested = np.isin(corpus.units, order[: np.searchsorted(shares, TESTED) + 1])
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def chosen(corpus, pool, shown, arm, random):
    """Places in the pool of the next batch: first those that are drawn at random, then those by the strategy."""
    strategy, share = ARMS[arm]
    waiting = np.setdiff1d(np.arange(len(pool)), shown)
    drawn = random.permutation(waiting)[: int(np.ceil(share * corpus.batch))]
    if strategy is None or len(drawn) == len(waiting):
        return drawn
    unsure = []
    for name, targets in corpus.targets.items():
        vectors, said = corpus.vectors[pool], targets[pool[shown]].astype(np.float32)
        found = probe_uncertainty(vectors[shown], said, vectors[waiting], corpus.kinds[name])
        unsure.append(np.ones(len(waiting)) if found is None else np.maximum(found, 1e-9))
    units = corpus.units[pool]
    asked = np.bincount(units[shown], minlength=units.max() + 1)[units[waiting]]
    clips = Pool(
        corpus.vectors[pool[waiting]], np.mean(unsure, axis=0), units[waiting], asked, corpus.copies[pool[waiting]]
    )
    places = STRATEGIES[strategy](clips, corpus.batch - len(drawn), np.searchsorted(waiting, drawn))
    return np.concatenate([drawn, waiting[places]])


def curve(corpus, arm, seed, strengths):
    """Labels shown after each round, and capability -> (rounds, measures)."""
    pool, tested = divided(corpus, seed)
    random, shown = np.random.default_rng(seed), np.array([], dtype=np.int64)
    sizes, scores = [], {name: [] for name in corpus.targets}
    while len(shown) < len(pool):
        shown = np.concatenate([shown, chosen(corpus, pool, shown, arm, random)])
        sizes.append(len(shown))
        for name, targets in corpus.targets.items():
            kind, seen = corpus.kinds[name], pool[shown]
            model = regression(corpus.vectors[seen], targets[seen], kind, strengths[name])
            scores[name].append(score(model, corpus.vectors[tested], targets[tested], kind))
    return np.array(sizes), {name: np.array(found) for name, found in scores.items()}


def needed(sizes, reached, share):
    """Labels that bring a smoothed curve to a share of its end."""
    target = share * reached[-1]
    smooth = np.convolve(np.r_[reached[0], reached, reached[-1]], np.ones(3) / 3, "valid")
    smooth[-1] = reached[-1]
    first = int(np.flatnonzero(smooth >= target)[0])
    if not first:
        return float(sizes[0])
    low, high = smooth[first - 1], smooth[first]
    return float(sizes[first - 1] + (sizes[first] - sizes[first - 1]) * (target - low) / (high - low))


def ratio(mine, random):
    """Mean and 95 % interval of the ratio of labels, over seeds."""
    logs = np.log(np.array(mine) / np.array(random))
    spread = student.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.nan
    return [float(np.exp(logs.mean() + shift)) for shift in (0, -spread, spread)]


def summarised(curves):
    """Of one capability of one set: arm -> what it needs, from arm -> a curve a seed."""
    found = {}
    for arm, runs in curves.items():
        found[arm] = {"area": {}, "all": {}, "needed": {}, "ratio": {}}
        for place, measure in enumerate(MEASURES):
            found[arm]["area"][measure] = float(np.mean([reached[:, place].mean() for _, reached in runs]))
            found[arm]["all"][measure] = float(np.mean([reached[-1, place] for _, reached in runs]))
            for share in TARGETS:
                key = f"{measure}@{share}"
                labels = [needed(sizes, reached[:, place], share) for sizes, reached in runs]
                base = [needed(sizes, reached[:, place], share) for sizes, reached in curves[RANDOM]]
                found[arm]["needed"][key] = float(np.median(labels))
                found[arm]["ratio"][key] = ratio(labels, base)
    return found


def told(name, results):
    """A table of one capability of one set."""
    lines = [f"\n{name}", f"{'':40}" + "".join(f"{f'{m} {s:.0%}':>26}" for m in MEASURES for s in TARGETS) + "    area"]
    for arm, found in results.items():
        cells = [
            f"{found['needed'][key]:8.0f}  {middle:.2f} ({low:.2f}-{high:.2f})"
            for key, (middle, low, high) in found["ratio"].items()
        ]
        lines.append(f"{arm:40}" + "".join(f"{cell:>26}" for cell in cells) + f"{found['area']['accuracy']:8.3f}")
    return "\n".join(lines)


def draw(curves, path):
    """Write a figure: accuracy by labels, a panel a capability of a set, means over seeds."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "labels"
    from matplotlib import pyplot as plt

    colours = dict(zip(ARMS, ("#777777", "#b3261e", "#2e7d32", "#1f5fa8"), strict=True))
    figure, panels = plt.subplots(1, len(curves), figsize=(3.4 * len(curves), 3.2), squeeze=False)
    for panel, (name, arms) in zip(panels[0], curves.items(), strict=True):
        for arm, runs in arms.items():
            rounds = min(len(sizes) for sizes, _ in runs)
            reached = np.mean([scores[:rounds, 0] for _, scores in runs], axis=0)
            wide = 2.0 if arm == DEFAULT else 1.0
            panel.plot(runs[0][0][:rounds], reached, color=colours[arm], linewidth=wide, label=arm)
        panel.set(title=name, xlabel="labels")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel("accuracy on other creators' clips")
    panels[0, -1].legend(fontsize=7, frameon=False, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="NAME=MANIFEST", help="or a project's folder with stored features")
    parser.add_argument("--sample", type=Path, help="folder of a project that ran on the generated world")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    results, drawn = {}, {}
    for name, corpus in corpora(arguments):
        strengths = {one: best_strength(corpus, one) for one in corpus.targets}
        started = time.perf_counter()
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        runs = {arm: [curve(corpus, arm, seed, strengths) for seed in seeds] for arm in ARMS}
        for one in corpus.targets:
            curves = {arm: [(sizes, scores[one]) for sizes, scores in found] for arm, found in runs.items()}
            title = name if len(corpus.targets) == 1 else f"{name}: {one}"
            results[title] = {"clips": len(corpus.units), "strength": strengths[one], "arms": summarised(curves)}
            drawn[title] = curves
            print(told(title, results[title]["arms"]), flush=True)
        print(f"{time.perf_counter() - started:.0f} s", flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps({"seeds": arguments.seeds, "sets": results}, indent=2) + "\n")
    if arguments.figure:
        draw(drawn, arguments.figure)


def corpora(arguments):
    """Name and corpus: the generated world, asked about both capabilities at once, and what was given."""
    given = [("sample", arguments.sample, 25), *((*one.partition("=")[::2], 100) for one in arguments.sets)]
    for name, path, batch in given:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(path or scratch)
            if not folder.is_dir() or not (folder / "data").exists():
                featurized(Path(path) if path else None, Path(scratch))
                folder = Path(scratch)
            corpus = read_corpus(folder, batch)
        yield name, corpus


if __name__ == "__main__":
    main()
