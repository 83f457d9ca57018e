"""How good a served model is now, without labels of what it answers, and with a few."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.core.capability import ABSTAIN, Kind, split_label
from cu_pipeline.drift.causes.answers import labelled_answers, probabilities_of
from cu_pipeline.drift.diagnosis_options import QualityOptions
from cu_pipeline.drift.label_shift import class_weights
from cu_pipeline.drift.samples import ClipSample

Floats = npt.NDArray[np.float64]

BY_CONFIDENCE: Final = "calibrated confidence"
BY_AUDITS: Final = "prediction-powered"

_LEVEL: Final = 0.975


@dataclass(frozen=True)
class QualityEstimate:
    """What share of the answers of a served model is right, as far as can be told.

    Attributes:
        capability: its name.
        accuracy: share of clips decided right; all classes of a multi-label clip must be. NaN where nothing tells.
        low: lower end of the interval of 95 %, over creators.
        high: upper end.
        method: `BY_CONFIDENCE` or `BY_AUDITS`.
        clips: of the window.
        audits: of these, how many have a label by people.
        trusted: whether it can be believed.
        why: why not; "" where it can.
    """

    capability: str
    accuracy: float
    low: float
    high: float
    method: str
    clips: int
    audits: int
    trusted: bool
    why: str


@dataclass(frozen=True)
class Scored:
    """Clips with how sure a model is of them.

    Attributes:
        sure: probability that the whole answer is right, by the model, (clips,).
        units: (clips,).
        right: whether it was, 1 or 0, (clips,); empty where nobody knows.
        weights: (clips,); how many times each counts.
    """

    sure: Floats
    units: npt.NDArray[np.object_]
    right: Floats
    weights: Floats

    @property
    def number_of_units(self) -> int:
        """Creators or contents."""
        return len(set(self.units))


def estimate_quality(
    capability: str,
    kind: Kind,
    reference: ClipSample | None,
    window: ClipSample,
    audits: Mapping[str, str],
    doubts: Sequence[str],
    options: QualityOptions,
) -> QualityEstimate:
    """Estimate the accuracy of a served model on a window of its traffic.

    Without labels it is the mean probability that the model gives its answers, put right by how far that was off on
    clips of the reference that people labelled and that the model had not seen; these are given today's shares of
    classes. This holds while clips of a class are what they were: `doubts` say that they are not. With audits the
    correction is taken from them, and it holds whatever has changed.

    Sources: Guillory et al., Predicting with confidence on unseen distributions, ICCV 2021; Lipton, Wang & Smola, ICML
    2018; Angelopoulos, Duchi & Zrnic, PPI++: efficient prediction-powered inference, arXiv 2311.01453, 2023.

    Args:
        capability: its name.
        kind: of it.
        reference: what its model learned from; None: the model does not tell.
        window: clips of the traffic that it answered.
        audits: request id -> label by people, of clips of the window that were drawn at random.
        doubts: in words, what has changed beside the shares of classes.
        options: when it is believed.
    """
    reference = reference and reference.with_units("reference")
    window = window.with_units("traffic")
    answered = window.answered(capability) if len(window) else window
    now = scored(answered.table, capability, kind)
    audited = _audited(answered.table, now, capability, kind, audits)
    about = len(now.sure), len(audited.sure)
    few = _too_few("the window", now, options)
    if about[1] >= options.min_audits:
        accuracy, error, units = prediction_powered(now, audited)
        why = few or _too_few_units("audits", audited, options)
        return _told(capability, (accuracy, error, units), BY_AUDITS, about, why)
    before = None if reference is None else _labelled(reference, capability, kind)
    if before is None or not len(now.sure):
        mean = float(now.sure.mean()) if len(now.sure) else float("nan")
        why = few or "the served model does not tell what it learned from: train it again"
        return _told(capability, (mean, float("nan"), 0), BY_CONFIDENCE, about, why)
    weighted = _with_todays_shares(reference, before, answered, capability, kind)
    accuracy, error, units = by_confidence(now, weighted)
    why = few or _too_few("the labelled clips that the model learned from", before, options)
    if not why and doubts:
        why = f"its confidence cannot be believed, since {'; '.join(doubts)}"
    return _told(capability, (accuracy, error, units), BY_CONFIDENCE, about, why)


def by_confidence(now: Scored, before: Scored) -> tuple[float, float, int]:
    """Mean confidence now, corrected by how far it was off before; its standard error, and the fewer units."""
    mean, error = _mean(now.sure, now)
    off, uncertain = _mean(before.right - before.sure, before)
    return mean + off, float(np.hypot(error, uncertain)), min(now.number_of_units, before.number_of_units)


def prediction_powered(now: Scored, audited: Scored) -> tuple[float, float, int]:
    """Accuracy by clips that people labelled, made sharper by the model's confidence in all; see PPI++.

    The confidence counts as much as makes the error smallest, and not at all where it tells nothing.
    """
    spread = audited.sure.var()
    ratio = len(audited.sure) / max(1, len(now.sure))
    power = 0.0
    if spread > 0:
        covariance = float(np.cov(audited.right, audited.sure, bias=True)[0, 1])
        power = float(np.clip(covariance / ((1 + ratio) * spread), 0, 1))
    mean, error = _mean(power * now.sure, now)
    off, uncertain = _mean(audited.right - power * audited.sure, audited)
    return mean + off, float(np.hypot(error, uncertain)), audited.number_of_units


def scored(table: pd.DataFrame, capability: str, kind: Kind, truth: Sequence[str | None] | None = None) -> Scored:
    """Score clips that a model answered.

    Args:
        table: with `predictions`, `labels` and `group`.
        capability: its name.
        kind: of it.
        truth: labels of the clips, where they are known.
    """
    told = [json.loads(row)[capability] for row in table["predictions"]]
    labels = [json.loads(row)[capability] for row in table["labels"]]
    answers = [_likeliest(one, label) for one, label in zip(told, labels, strict=True)]
    sure = [_sure(one, answer, kind) for one, answer in zip(told, answers, strict=True)]
    right = [] if truth is None else [_same(*both, kind) for both in zip(answers, truth, strict=True)]
    units = table["group"].to_numpy(dtype=object) if len(table) else np.empty(0, dtype=object)
    return Scored(np.array(sure), units, np.array(right, dtype=np.float64), np.ones(len(sure)))


def _likeliest(probabilities: Mapping[str, float], label: str) -> str:
    """The answer; of a model that abstained the likeliest class."""
    return max(probabilities, key=lambda name: probabilities[name]) if label == ABSTAIN else label


def _sure(probabilities: Mapping[str, float], label: str, kind: Kind) -> float:
    if kind is Kind.SINGLE:
        return probabilities.get(label, 0.0)
    chosen = split_label(label, kind)
    return float(np.prod([share if name in chosen else 1 - share for name, share in probabilities.items()]))


def _same(answer: str, truth: str | None, kind: Kind) -> float:
    return float(truth is not None and split_label(answer, kind) == split_label(truth, kind))


def _labelled(reference: ClipSample, capability: str, kind: Kind) -> Scored | None:
    """The clips of a reference that people labelled and the model answered as unseen."""
    table = _by_people(reference, capability)
    return scored(table, capability, kind, table["truth"].tolist()) if len(table) else None


def _by_people(reference: ClipSample, capability: str) -> pd.DataFrame:
    table = reference.table
    if "truth" not in table:
        return table.iloc[:0]
    answered = np.array([capability in json.loads(row) for row in table["labels"]], dtype=np.bool_)
    return table[answered & (table["truth_source"] == "human").to_numpy()]


def _with_todays_shares(
    reference: ClipSample | None, before: Scored, window: ClipSample, capability: str, kind: Kind
) -> Scored:
    """Clips of the reference, those of each class counting as often as they come now."""
    if reference is None or kind is not Kind.SINGLE:
        return before
    known = labelled_answers(_by_people(reference, capability), capability)
    if known is None or len(known.truth) != len(before.sure):
        return before
    now, _ = probabilities_of(window.table, capability, known.names)
    weights = class_weights(known.probabilities, known.truth, now)
    return Scored(before.sure, before.units, before.right, weights[known.truth])


def _audited(table: pd.DataFrame, now: Scored, capability: str, kind: Kind, audits: Mapping[str, str]) -> Scored:
    if not audits or not len(table):
        return Scored(np.empty(0), np.empty(0, dtype=object), np.empty(0), np.empty(0))
    has = table["request_id"].isin(list(audits)).to_numpy()
    truth = [audits[name] for name in table["request_id"][has]]
    found = scored(table[has], capability, kind, truth)
    return Scored(found.sure, now.units[has], found.right, found.weights)


def _mean(values: Floats, clips: Scored) -> tuple[float, float]:
    """A weighted mean and its standard error, clips of a unit counting together (Liang & Zeger, 1986)."""
    total = float(clips.weights.sum())
    if not len(values) or total <= 0:
        return 0.0, float("nan")
    mean = float((values * clips.weights).sum() / total)
    _, unit = np.unique(clips.units.astype(str), return_inverse=True)
    sums = np.bincount(unit, (values - mean) * clips.weights)
    count = len(sums)
    return mean, float(np.sqrt((sums**2).sum() * count / max(1, count - 1)) / total)


def _too_few(what: str, clips: Scored, options: QualityOptions) -> str:
    if len(clips.sure) < options.min_clips:
        return f"{what} has too few clips: {len(clips.sure)}, and {options.min_clips} are needed"
    return _too_few_units(what, clips, options)


def _too_few_units(what: str, clips: Scored, options: QualityOptions) -> str:
    units = clips.number_of_units
    return "" if units >= options.min_units else f"{what}: of {units} creators, and {options.min_units} are needed"


def _told(
    capability: str, found: tuple[float, float, int], method: str, about: tuple[int, int], why: str
) -> QualityEstimate:
    from scipy.stats import t

    accuracy, error, units = found
    wide = float(t.ppf(_LEVEL, max(1, units - 1))) * error if np.isfinite(error) else 1.0
    low, high = (float(np.clip(accuracy + side * wide, 0, 1)) for side in (-1, 1))
    return QualityEstimate(capability, float(np.clip(accuracy, 0, 1)), low, high, method, *about, not why, why)
