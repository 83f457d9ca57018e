"""A model's learning curve: its family learns from growing shares of the units, and is asked about the others."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import indicators, unknown_classes
from cu_pipeline.core.decision import decide
from cu_pipeline.core.hashing import facts_sha256
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.evaluation.insight_options import CurveOptions
from cu_pipeline.evaluation.learning_curve import Curve
from cu_pipeline.evaluation.metrics import ScoredClips, log_losses
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.families import family
from cu_pipeline.models.family import Examples, Fitted, Refittable
from cu_pipeline.models.folds import Fold, grouped_folds, sample_of_units
from cu_pipeline.models.logistic import hard_labels
from cu_pipeline.models.probabilities import logits_to_probabilities
from cu_pipeline.models.training import TrainingData, labelled_examples

NOT_FITTED: Final = "the model cannot be fitted again to shares of its labelled clips"

_REVISION: Final = 1
"""Of how a curve is measured and drawn on: with another one it is measured anew."""

_MOST: Final = 1500
"""Clips, about, from which a curve is measured; of more a sample of units is taken."""

_LEAST_UNITS: Final = 12
"""Units to learn from under which a curve tells nothing."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class CurveClips:
    """The clips of a learning curve.

    Attributes:
        data: labelled clips, those of the test split with people's labels among them.
    """

    data: TrainingData

    @classmethod
    def of(cls, data: TrainingData, test: pd.DataFrame) -> "CurveClips":
        """Add the test clips that people labelled to those that models learn from."""
        asked = test.assign(source=AnnotatorKind.HUMAN.value, probabilities="")
        joined = pd.concat([data.clips, asked], ignore_index=True)
        return cls(replace(data, clips=joined))

    @property
    def known(self) -> int:
        """How many may be learned from."""
        return int((self.data.clips["split"] != Split.TEST.value).sum())

    def fingerprint(self, bundle: Bundle, options: CurveOptions, seed: int) -> str:
        """Hash everything that decides the curve, but for how fast the machine is."""
        clips = self.data.clips
        rows = clips[["split", "group", "label", "probabilities", "source"]].assign(key=content_keys(clips))
        return facts_sha256([_REVISION, bundle.version, options.model_dump(mode="json"), seed, rows])


def why_no_curve(bundle: Bundle, clips: CurveClips, options: CurveOptions) -> str:
    """Say why there can be no learning curve of a model; "" where there can."""
    if not options.seconds:
        return "evaluate.insights.learning_curve.seconds is 0"
    if not isinstance(family(bundle.family), Refittable):
        return f"models of family {bundle.family} are not fitted again to several shares of the clips"
    if unknown := unknown_classes(clips.data.clips["label"], bundle.answers):
        return f"labels name {', '.join(map(repr, unknown))}, which the model does not know: train it again first"
    learners = clips.data.clips[clips.data.clips["split"] != Split.TEST.value]
    if learners["group"].nunique() < _LEAST_UNITS:
        return f"the clips to learn from are of fewer than {_LEAST_UNITS} creators"
    if not (clips.data.clips["source"] == AnnotatorKind.HUMAN.value).any():
        return "no clip has a label by people"
    return ""


def measure_curve(
    bundle: Bundle, clips: CurveClips, store: FeatureStore, options: CurveOptions, seed: int
) -> Curve | None:
    """Let a model's family learn from growing shares of units, with the model's settings, and ask it about others.

    The units to learn from are divided, and each part is kept apart in turn. Of the others growing shares are learned
    from, in random order; the part that was kept apart and all test clips are asked about. Only what people said
    counts as right.

    Args:
        bundle: of a family that learns in a moment.
        clips: with their labels.
        store: of their features.
        options: shares, orders and the time that it may take.
        seed: of the orders.

    Returns:
        None where the clips cannot be divided, or the model cannot be fitted again.
    """
    ends = time.monotonic() + options.seconds
    rows = clips.data.clips
    units = pd.factorize(rows["group"], sort=True)[0].astype(np.int64)
    rows = rows.iloc[sample_of_units(units, _MOST, seed)].reset_index(drop=True)
    examples = labelled_examples(replace(clips.data, clips=rows), store, bundle.inputs)
    plan = _plan(examples, rows, bundle, options, seed)
    learner = family(bundle.family)
    if not plan or not isinstance(learner, Refittable):
        return None
    fitted = Fitted(bundle.model, bundle.weights)
    turns = [turn for share in plan for turn in share]
    told = learner.refits(fitted, examples, turns, bundle.kind)
    truth = indicators(rows["label"], bundle.answers)
    tallies = []
    for share in plan:
        tallies.append(_Tally.of(share, told, bundle, truth))
        if time.monotonic() > ends:
            break
    asked = np.flatnonzero((tallies[0].times > 0) & (rows["source"] == AnnotatorKind.HUMAN.value).to_numpy())
    if not len(asked):
        return None
    return Curve(
        clips=np.array([one.clips for one in tallies]),
        units=np.array([_units_of(share, examples.units) for share in plan[: len(tallies)]]),
        right=np.stack([one.right[asked] / one.times[asked] for one in tallies], axis=1),
        losses=np.stack([one.losses[asked] / one.times[asked] for one in tallies], axis=1),
        groups=rows["group"].to_numpy(dtype=str)[asked],
    )


@dataclass(frozen=True)
class _Tally:
    """How clips were answered by models of one share.

    Attributes:
        clips: that were learned from, on average.
        times: (n): how often each clip was asked about.
        right: (n): how often the answer was right.
        losses: (n): negative log-likelihoods, added up.
    """

    clips: float
    times: NDArray[np.float64]
    right: NDArray[np.float64]
    losses: NDArray[np.float64]

    @classmethod
    def of(cls, turns: list[Fold], told: Iterator[Any], bundle: Bundle, truth: NDArray[np.bool_]) -> "_Tally":
        """Count the answers of as many turns."""
        times, right, losses = (np.zeros(len(truth)) for _ in range(3))
        for turn, logits in zip(turns, told, strict=False):
            probabilities = logits_to_probabilities(logits, bundle.kind, bundle.temperature)
            holds = decide(probabilities, bundle.answers, bundle.thresholds).holds
            said = ScoredClips(bundle.kind, truth[turn.unseen], probabilities, holds).always_answered()
            times[turn.unseen] += 1
            right[turn.unseen] += said.correct()
            losses[turn.unseen] += log_losses(said)
        return cls(float(np.mean([len(turn.seen) for turn in turns])), times, right, losses)


def _plan(examples: Examples, rows: pd.DataFrame, bundle: Bundle, options: CurveOptions, seed: int) -> list[list[Fold]]:
    """The turns of each share, of which the first is the smallest."""
    tested = (rows["split"] == Split.TEST.value).to_numpy()
    learners, test = np.flatnonzero(~tested), np.flatnonzero(tested)
    units = examples.units
    truth = hard_labels(examples.targets[learners], bundle.kind).truth
    parts = grouped_folds(units[learners], truth, options.orders, seed)
    plan = [
        [
            Fold(_first(learners[part.seen], units, share, [seed, order]), np.sort(np.r_[learners[part.unseen], test]))
            for order, part in enumerate(parts)
        ]
        for share in options.shares
    ]
    return plan if parts else []


def _first(rows: Rows, units: Rows, share: float, seed: list[int]) -> Rows:
    """The clips of the first units in a random order, which are about a share of all: the smaller ones lie within."""
    names, sizes = np.unique(units[rows], return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), share * len(rows) - 0.5)) + 1
    return rows[np.isin(units[rows], names[order[:enough]])]


def _units_of(share: list[Fold], units: Rows) -> float:
    return float(np.mean([len(np.unique(units[turn.seen])) for turn in share]))
