"""What models say of clips on both sides, as causes read it."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.core.capability import NONE, SEPARATOR
from cu_pipeline.drift.causes.evidence import Evidence

Floats = npt.NDArray[np.float64]

_ROUNDED = 1e-3


def told_apart(probabilities: Floats) -> float:
    """How much the answers about clips differ from each other, in bits: the mutual information of clip and class.

    It is small where models are unsure of all clips, and where they say the same of all of them.

    Source: Bridle, Heading & MacKay, Unsupervised classifiers, mutual information and 'phantom targets', NIPS 1991.

    Args:
        probabilities: (clips, classes).

    >>> told_apart(np.eye(4)), told_apart(np.full((9, 4), 0.25)), told_apart(np.eye(4)[[0, 0]])
    (2.0, 0.0, 0.0)
    """
    if not len(probabilities):
        return 0.0
    return float(max(0.0, _entropy(probabilities.mean(axis=0)) - _entropy(probabilities).mean()))


def capability_that_tells(evidence: Evidence) -> tuple[str, Floats, Floats] | None:
    """The capability whose model tells most apart among the clips that it learned from.

    Returns:
        Its name, the probabilities of the references' clips that have any, and those of all recent clips, NaN where a
        clip has none; None where no capability has both.
    """
    best: tuple[float, str, Floats, Floats] | None = None
    for name, sample in evidence.references.items():
        before, classes = probabilities_of(sample.table, name)
        if not classes:
            continue
        recent, _ = probabilities_of(evidence.recent.table, name, classes)
        known = np.isfinite(before).all(axis=1)
        if known.sum() and np.isfinite(recent).all(axis=1).any():
            tells = told_apart(before[known])
            if best is None or tells > best[0]:
                best = (tells, name, before[known], recent)
    return None if best is None else best[1:]


def probabilities_of(
    table: pd.DataFrame, capability: str, classes: list[str] | None = None
) -> tuple[Floats, list[str]]:
    """The probabilities of a capability's classes, (clips, classes), NaN where a clip has none; and the classes.

    Those of a capability with several classes at once get one more, none of them, and are made to add up to 1.

    Args:
        table: of clips, with `predictions`.
        capability: its name.
        classes: in this order; None: those that any clip has.
    """
    rows = [json.loads(row).get(capability) for row in table["predictions"]]
    names = classes or sorted({name for row in rows if row for name in row})
    found = np.array([[row.get(name, 0.0) if row else np.nan for name in names] for row in rows], dtype=np.float64)
    found = found.reshape(len(rows), len(names))
    known = np.isfinite(found).all(axis=1)
    if names and np.abs(found[known].sum(axis=1) - 1).max(initial=0.0) > _ROUNDED:
        found = np.column_stack([found, 1 - found.max(axis=1)])
        found = found / np.maximum(found.sum(axis=1, keepdims=True), _ROUNDED)
    return found, names


def _entropy(shares: Floats) -> Floats:
    positive = np.where(shares > 0, shares, 1.0)
    return np.asarray(-(positive * np.log2(positive)).sum(axis=-1))


@dataclass(frozen=True)
class LabelledAnswers:
    """What a model that has not seen them says of clips whose labels are known.

    Attributes:
        clip_ids: of the clips.
        units: of the clips.
        names: of the capability's classes.
        classes: likewise; of several at once one more, none of them, is the last.
        probabilities: (clips, classes).
        truth: places of the clips' classes; of several at once the first counts.
    """

    clip_ids: list[str]
    units: npt.NDArray[np.object_]
    names: list[str]
    classes: list[str]
    probabilities: Floats
    truth: npt.NDArray[np.int64]


def labelled_answers(table: pd.DataFrame, capability: str) -> LabelledAnswers | None:
    """Take the clips of a reference that have a label and an answer; None where there are none."""
    if "truth" not in table:
        return None
    probabilities, names = probabilities_of(table, capability)
    classes = [*names, NONE][: probabilities.shape[1]]
    place = {name: number for number, name in enumerate(classes)}
    truth = np.array([place.get(label.split(SEPARATOR)[0], -1) for label in table["truth"]], dtype=np.int64)
    known = np.isfinite(probabilities).all(axis=1) & (truth >= 0)
    if not known.any():
        return None
    return LabelledAnswers(
        table["clip_id"][known].tolist(),
        table["group"].to_numpy(dtype=object)[known],
        names,
        classes,
        probabilities[known],
        truth[known],
    )
