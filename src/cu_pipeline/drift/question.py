"""The questions asked of two snapshots: each is a named statistic over the pool of both."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.embedding import MeanDiscrepancy
from cu_pipeline.drift.mix import ClassMix
from cu_pipeline.drift.numeric import KolmogorovSmirnov
from cu_pipeline.drift.permutation import Statistic
from cu_pipeline.drift.snapshot import Snapshot


@dataclass(frozen=True)
class Question:
    """One thing that may have drifted.

    Attributes:
        name: unique; a fact's column, `embedding_PART`, `label_CAPABILITY` or `confidence_CAPABILITY`.
        kind: `fact`, `embedding`, `label` or `confidence`.
        method: the statistic: `ks`, `mmd` or `chi2`.
        statistic: over the reference's clips followed by the current ones.
        in_words: what changed, for a person.
    """

    name: str
    kind: str
    method: str
    statistic: Statistic
    in_words: str


def input_questions(
    reference: Snapshot, current: Snapshot, facts: tuple[str, ...], parts: dict[str, int]
) -> Iterator[Question]:
    """Ask whether clips differ in what the model is given: their facts and the shared parts of their embeddings."""
    for name in facts:
        before, now = reference.fact(name), current.fact(name)
        words = _medians(before, now)
        yield Question(name, "fact", "ks", KolmogorovSmirnov(np.append(before, now)), words)
    layout = reference.parts() or current.parts()
    for part, shown in part_titles(parts).items():
        pool = np.concatenate([side.embedding(part, layout) for side in (reference, current)])
        words = f"kernel distance between the two sets of {shown} features"
        yield Question(f"embedding_{shown}", "embedding", "mmd", MeanDiscrepancy(pool), words)


def part_titles(parts: Iterable[str]) -> dict[str, str]:
    """Short titles of an embedding's parts: the extractor's name, with the fingerprint only where two share it.

    >>> part_titles(["frames@1a", "captions@2b"])
    {'frames@1a': 'frames', 'captions@2b': 'captions'}
    >>> part_titles(["frames@1a", "frames@3c"])
    {'frames@1a': 'frames@1a', 'frames@3c': 'frames@3c'}
    """
    names = Counter(part.partition("@")[0] for part in parts)
    return {part: part if names[part.partition("@")[0]] > 1 else part.partition("@")[0] for part in parts}


def prediction_questions(reference: Snapshot, current: Snapshot, capabilities: dict[str, Kind]) -> Iterator[Question]:
    """Ask whether clips differ in what the model answers: the mix of classes and how sure it is."""
    for name, kind in capabilities.items():
        before, now = reference.confidence(name, kind), current.confidence(name, kind)
        sure = KolmogorovSmirnov(np.append(before, now))
        classes = _classes(reference, current, name, kind)
        shares = [reference.present(name, kind, classes), current.present(name, kind, classes)]
        mix = ClassMix(np.concatenate(shares), kind)
        yield Question(f"label_{name}", "label", "chi2", mix, _largest_change(classes, *shares))
        yield Question(f"confidence_{name}", "confidence", "ks", sure, _medians(before, now))


def _classes(reference: Snapshot, current: Snapshot, capability: str, kind: Kind) -> list[str]:
    found = {name for side in (reference, current) for name in side.classes(capability, kind)}
    return sorted(found)


def _medians(before: npt.NDArray[np.float64], now: npt.NDArray[np.float64]) -> str:
    return f"median {_median(before)} → {_median(now)}"


def _median(values: npt.NDArray[np.float64]) -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return "none"
    value = float(np.median(known))
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _largest_change(classes: list[str], before: npt.NDArray[np.bool_], now: npt.NDArray[np.bool_]) -> str:
    if not classes:
        return "no class was predicted"
    ours, theirs = now.mean(axis=0), before.mean(axis=0)
    most = int(np.argmax(np.abs(ours - theirs)))
    return f"largest change: {classes[most]} {theirs[most]:.0%} → {ours[most]:.0%}"
