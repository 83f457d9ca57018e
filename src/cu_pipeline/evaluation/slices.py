"""Where a model is worse than elsewhere: its accuracy by language, length, creator and the like."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.multiple_tests import holm
from cu_pipeline.core.scope import METADATA
from cu_pipeline.evaluation.contest import MODALITY, slices
from cu_pipeline.evaluation.grouping import Grouping
from cu_pipeline.evaluation.judged import SOURCE, Answered
from cu_pipeline.evaluation.paired_test import freedom

ALPHA: Final = 0.05
"""Chance, at most, that any slice is said to be worse, or better, than the rest when none is."""

LEAST_UNITS: Final = 5
"""A slice, and what is not in it, has to be of so many units to be looked at."""

LEAST_CLIPS: Final = 10
"""Likewise of so many clips."""

_MOST_VALUES: Final = 10
"""A key of the metadata with more values makes no slices."""

_MOST_KEYS: Final = 20
"""Of more keys of the metadata those that come first by the alphabet are looked at."""

_SECONDS: Final = (5.0, 15.0, 60.0)
_CLIPS: Final = (1.0, 5.0, 20.0)


@dataclass(frozen=True)
class Slice:
    """A part of the clips beside the rest of them.

    Attributes:
        column: that the clips are divided by.
        value: that those of the slice have.
        n: clips of the slice.
        units: of how many units they are.
        accuracy: on them.
        rest: accuracy on the others.
        difference: the first minus the second.
        ci95: interval of the difference.
        p_value: that there is none, to both sides.
        p_adjusted: the same for as many slices as were looked at (Holm).
        worse: whether the slice is shown to be worse.
    """

    column: str
    value: str
    n: int
    units: int
    accuracy: float
    rest: float
    difference: float
    ci95: tuple[float, float]
    p_value: float
    p_adjusted: float = 1.0
    worse: bool = False


def slices_report(model: Answered) -> dict[str, Any]:
    """Compare a model's accuracy in each slice of clips with the rest.

    The difference is tested over units: the clips of one creator are right or wrong together.

    Args:
        model: what it says of clips that it, or those that speak for it, have not seen.

    Returns:
        The part `slices` of the `metrics` dataset: the slices, the worst first; how many there are and from what size
        on; those that were too small to be looked at.
    """
    right, groups = model.decided.correct(), Grouping.of(model.units)
    rows, small = [], []
    for column, value, inside in _divided(model.clips):
        parts = (groups.taken(inside), groups.taken(~inside))
        if any(len(part.places) < LEAST_CLIPS or part.count < LEAST_UNITS for part in parts):
            small.append({"column": column, "value": value, "n": int(inside.sum())})
        else:
            rows.append(_compared((column, value), inside, right, groups))
    adjusted = holm([row.p_value for row in rows])
    judged = [
        replace(row, p_adjusted=p_value, worse=p_value <= ALPHA and row.difference < 0)
        for row, p_value in zip(rows, adjusted, strict=True)
    ]
    return {
        "n": len(model),
        "units": groups.count,
        "looked_at": len(rows),
        "alpha": ALPHA,
        "least_units": LEAST_UNITS,
        "least_clips": LEAST_CLIPS,
        "rows": [asdict(row) | {"ci95": list(row.ci95)} for row in sorted(judged, key=lambda row: row.difference)],
        "too_small": small,
    }


def worst_slice(report: Mapping[str, Any]) -> str | None:
    """Say which slice is shown to be the worst; None: none is.

    Args:
        report: of `slices_report`.
    """
    worse = [row for row in report["rows"] if row["worse"]]
    if not worse:
        return None
    row = worse[0]
    others = f", and so in {len(worse) - 1} more" if len(worse) > 1 else ""
    return (
        f"worse where {row['column']} is {row['value']}: accuracy {row['accuracy']:.3f} on {row['n']} clips, "
        f"{row['rest']:.3f} elsewhere (p = {row['p_adjusted']:.2g} for {report['looked_at']} slices){others}"
    )


def _divided(clips: pd.DataFrame) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Column, value, and which clips have it: bool (n)."""
    table = clips.assign(
        duration=_ranges(clips["duration_s"], _SECONDS, " s"),
        creator_size=_ranges(_clips_by_creator(clips["creator"]), _CLIPS, " clips"),
    )
    titles = {"lang": "language", "creator_size": "creator size", MODALITY: "modality present", SOURCE: "label source"}
    columns = ["lang", "duration", "creator_size", MODALITY, SOURCE, "feed", *_metadata_columns(clips["metadata"])]
    for column in columns:
        if column == MODALITY or column in table or column.startswith(METADATA):
            for name, inside in slices(table, [column]).items():
                yield titles.get(column, column), name.removeprefix(f"{column}="), inside


def _ranges(values: "pd.Series[float]", edges: tuple[float, ...], unit: str) -> "pd.Series[str]":
    """Name the range that each value is in; "" where it is unknown."""
    names = [f"up to {edges[0]:g}{unit}"]
    names += [f"over {low:g} to {high:g}{unit}" for low, high in pairwise(edges)]
    names.append(f"over {edges[-1]:g}{unit}")
    places = np.searchsorted(edges, values.to_numpy(dtype=np.float64), side="left")
    known = values.notna().to_numpy()
    return pd.Series(np.where(known, np.array(names, dtype=object)[places], ""), index=values.index)


def _clips_by_creator(creators: "pd.Series[str]") -> "pd.Series[float]":
    """How many of the clips each one's creator has; NaN where the creator is unknown."""
    counts: pd.Series[float] = creators.map(creators.value_counts()).astype("float64")
    return counts.where(creators != "")


def _metadata_columns(metadata: "pd.Series[str]") -> list[str]:
    """The keys that have a few values."""
    values: dict[str, set[str]] = {}
    for text in set(metadata):
        for key, value in json.loads(text).items():
            found = values.setdefault(key, set())
            if len(found) <= _MOST_VALUES:
                found.add(str(value))
    few = [f"{METADATA}{key}" for key, found in sorted(values.items()) if 1 < len(found) <= _MOST_VALUES]
    return few[:_MOST_KEYS]


def _compared(name: tuple[str, str], inside: NDArray[np.bool_], right: NDArray[np.bool_], groups: Grouping) -> Slice:
    from scipy.stats import t

    own, rest = float(right[inside].mean()), float(right[~inside].mean())
    error, spread = _spread(right, inside, groups)
    difference = own - rest
    half = float(t.isf(0.025, spread)) * error
    p_value = 1.0 if difference == 0 else float(2 * t.sf(abs(difference) / error, spread)) if error else 0.0
    return Slice(
        *name,
        int(inside.sum()),
        groups.taken(inside).count,
        own,
        rest,
        difference,
        (max(difference - half, -1.0), min(difference + half, 1.0)),
        p_value,
    )


def _spread(right: NDArray[np.bool_], inside: NDArray[np.bool_], groups: Grouping) -> tuple[float, float]:
    """The cluster-robust standard error of the difference, and its degrees of freedom (Welch and Satterthwaite).

    The error is not below the one that there would be without a difference: few units that are all right, or all wrong,
    vary more than they show.
    """
    parts = (inside, ~inside)
    shares = inside / inside.sum() - ~inside / (~inside).sum()
    means = np.where(inside, right[inside].mean(), right[~inside].mean())
    moved = [groups.sums((right - centre) * shares) for centre in (means, right.mean())]
    error = np.sqrt(max((one**2).sum() for one in moved) * groups.count / (groups.count - 1))
    variances = [(groups.sums((right - right.mean()) * shares * part) ** 2).sum() for part in parts]
    each = [freedom(groups.taken(part).sizes) for part in parts]
    total = sum(one**2 / own for one, own in zip(variances, each, strict=True))
    return float(error), float(sum(variances) ** 2 / total) if total else 1.0
