"""The tests that two samples of clips are held against each other by, and the ones shipped here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.samples import ClipSample, part_titles, shared_parts
from cu_pipeline.drift.two_sample import ClassMix, KolmogorovSmirnov, MeanDiscrepancy, Statistic

Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sides:
    """What tests are made for.

    Attributes:
        reference: clips that the models learned from, or were measured on.
        current: clips that the service has seen since.
        facts: columns of numbers that both have.
        capabilities: that both have predictions for, with their kinds.
    """

    reference: ClipSample
    current: ClipSample
    facts: tuple[str, ...]
    capabilities: dict[str, Kind]


@dataclass(frozen=True)
class DriftTest:
    """One thing that may have drifted, and the statistic that would show it.

    Attributes:
        name: unique; such as a fact's column, `embedding_PART`, `label_CAPABILITY` or `confidence_CAPABILITY`.
        kind: `fact`, `embedding`, `label`, `confidence`, or another word that tells what is looked at.
        method: the statistic, in short: `ks`, `mmd`, `chi2`.
        statistic: over the reference's clips followed by the current ones.
        in_words: what changed, for a person.
    """

    name: str
    kind: str
    method: str
    statistic: Statistic
    in_words: str


def number_test(name: str, kind: str, reference: Numbers, current: Numbers) -> DriftTest:
    """A test of one number of each clip.

    Args:
        name: of the test.
        kind: of the test.
        reference: shape (clips,); NaN for a clip that has none.
        current: likewise.
    """
    words = f"median {_median(reference)} → {_median(current)}"
    return DriftTest(name, kind, "ks", KolmogorovSmirnov(np.append(reference, current)), words)


def fact_tests(sides: Sides) -> Iterator[DriftTest]:
    """Tests of the clips' facts, each on its own."""
    for name in sides.facts:
        yield number_test(name, "fact", sides.reference.fact(name), sides.current.fact(name))


def embedding_tests(sides: Sides) -> Iterator[DriftTest]:
    """Tests of the parts of embeddings that both sides have."""
    reference, current = sides.reference, sides.current
    layout = reference.parts() or current.parts()
    parts, _ = shared_parts(reference, current)
    for part, shown in part_titles(parts).items():
        pool = np.concatenate([side.embedding(part, layout) for side in (reference, current)])
        words = f"kernel distance between the two sets of {shown} features"
        yield DriftTest(f"embedding_{shown}", "embedding", "mmd", MeanDiscrepancy(pool), words)


def prediction_tests(sides: Sides) -> Iterator[DriftTest]:
    """Tests of what the models answer: the mix of classes and how sure they are."""
    reference, current = sides.reference, sides.current
    for name, kind in sides.capabilities.items():
        classes = _classes(reference, current, name, kind)
        shares = [reference.present(name, kind, classes), current.present(name, kind, classes)]
        mix = ClassMix(np.concatenate(shares), kind)
        yield DriftTest(f"label_{name}", "label", "chi2", mix, _largest_change(classes, *shares))
        yield number_test(
            f"confidence_{name}", "confidence", reference.confidence(name, kind), current.confidence(name, kind)
        )


def _classes(reference: ClipSample, current: ClipSample, capability: str, kind: Kind) -> list[str]:
    found = {name for side in (reference, current) for name in side.classes(capability, kind)}
    return sorted(found)


def _median(values: Numbers) -> str:
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
