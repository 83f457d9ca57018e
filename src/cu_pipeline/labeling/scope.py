"""Who may be asked what: the scope of each capability, and what people's "not applicable" says about it."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.capability import NOT_APPLICABLE, Capabilities
from cu_pipeline.core.lean import distinct, renumbered, rows_where
from cu_pipeline.core.resolved import outside_scope
from cu_pipeline.core.scope import METADATA, Modality, Scope, clips_column
from cu_pipeline.labeling.copies import on_originals, originals
from cu_pipeline.labeling.people.votes import GOLD

_log = logging.getLogger(__name__)

_MOST_VALUES: Final = 20
"""Values of a column above which it is no part of a scope that a person would write."""


@dataclass(frozen=True)
class Applicability:
    """What is known of where capabilities apply, beside their configured scopes.

    Attributes:
        inapplicable: capability -> clips inside its scope to which people say that it does not apply.
        nowhere: capability -> why no clip at all is inside its scope, in words.
    """

    inapplicable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nowhere: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScopedOpinions:
    """People's opinions, divided by whether they are about what a capability applies to.

    Attributes:
        used: labels of clips that the capability applies to.
        apart: answers "not applicable", and labels of other clips: evidence about scopes, and paid for.
        applicability: where capabilities apply.
        report: capability -> `clips` inside and `of` all, `scope` in words, `labels_outside`, `not_applicable` of
            `judged` clips, `advice`; of those that have a scope or such answers.
    """

    used: pd.DataFrame
    apart: pd.DataFrame
    applicability: Applicability
    report: dict[str, Any]


def divide_opinions(opinions: pd.DataFrame, clips: pd.DataFrame, capabilities: Capabilities) -> ScopedOpinions:
    """Set aside what people said of clips that a capability does not apply to.

    It does not apply outside the configured scope, nor to a clip that most people call `not_applicable`; what the feed
    itself says goes before them. Exact copies are judged as one.

    Args:
        opinions: people's, of the feed and of accepted batches, with the columns of `records.ANNOTATIONS`.
        clips: the table of clips.
        capabilities: as configured.
    """
    configured = outside_scope(opinions, clips, capabilities.root)
    inapplicable, nowhere, report = {}, {}, {}
    apart = configured | (opinions["label"] == NOT_APPLICABLE).to_numpy()
    for name, capability in capabilities.root.items():
        inside = capability.scope.within(clips)
        mine = (opinions["capability"] == name).to_numpy()
        said = rows_where(opinions, mine & ~configured)
        verdicts = _verdicts(said, inside)
        inapplicable[name] = tuple(verdicts.index[verdicts])
        apart |= mine & opinions["clip_id"].isin(inapplicable[name]).to_numpy()
        if capability.scope.is_limited and inside.empty:
            nowhere[name] = _nowhere(capability.scope, clips)
        if capability.scope.is_limited or verdicts.any():
            contradicting = int((configured & mine & (opinions["label"] != NOT_APPLICABLE)).sum())
            report[name] = {
                "clips": len(inside) - int(verdicts.sum()),
                "of": len(clips),
                "scope": capability.scope.in_words(),
                "labels_outside": contradicting,
                "not_applicable": int(verdicts.sum()),
                "judged": len(verdicts),
                "advice": _advice(name, verdicts, inside),
            }
    return ScopedOpinions(
        renumbered(rows_where(opinions, ~apart)),
        renumbered(opinions[apart]),
        Applicability({name: found for name, found in inapplicable.items() if found}, nowhere),
        report,
    )


def tell_scopes(report: Mapping[str, Any]) -> None:
    """Say for the log where capabilities apply, which labels contradict that, and what people's answers advise."""
    for name, one in report.items():
        if one["scope"]:
            _log.info("%s applies to %d of %d clips (%s)", name, one["clips"], one["of"], one["scope"])
        if one["labels_outside"]:
            _log.warning(
                "%s: %d labels of people are on clips outside its scope (%s) and are not used. Correct the feed, or "
                "capabilities.%s.scope", name, one["labels_outside"], one["scope"], name,
            )  # fmt: skip
        if one["advice"]:
            _log.warning("%s", one["advice"])


def _verdicts(said: pd.DataFrame, clips: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each clip with an opinion whether people call it not applicable, by `clip_id`, copies included.

    Args:
        said: people's opinions on a capability.
        clips: inside its scope.
    """
    if not (said["label"] == NOT_APPLICABLE).any():
        return pd.Series(False, index=distinct(said["clip_id"]), dtype=bool)
    original_of = originals(clips)
    votes = on_originals(said, original_of).drop_duplicates(["clip_id", "annotator"], keep="last")
    golden = votes["annotator"] == GOLD
    counted = votes[golden | ~votes["clip_id"].isin(votes.loc[golden, "clip_id"])]
    shares = (counted["label"] == NOT_APPLICABLE).groupby(counted["clip_id"]).mean()
    judged = original_of[original_of.isin(shares.index)].sort_index()
    return judged.map(shares).gt(0.5)


def _nowhere(scope: Scope, clips: pd.DataFrame) -> str:
    """Say that no clip is inside a scope, and what there is instead of what its first unmet part asks."""
    rest = clips
    for part in scope.parts():
        values = clips_column(rest, part.column)
        rest = rest[values.map(part.holds).astype(bool)]
        if rest.empty:
            there = "" if part.name == "modalities" else f"; there are {_listed(values)}"
            return f"no clip is inside its scope: it asks for {part.asked}{there}"
    return ""


def _listed(values: "pd.Series[str]") -> str:
    counts = values.replace("", "unknown").value_counts()
    shown = ", ".join(f"{value} ({number})" for value, number in counts.head(8).items())
    return f"{shown} and {len(counts) - 8} others" if len(counts) > 8 else shown


@dataclass(frozen=True)
class _Division:
    """How well a part of a scope tells clips that people call not applicable from others.

    Attributes:
        right: judged clips that it puts on the right side.
        where: the group with the most of them that are not applicable, in words.
        clips: judged clips of that group.
        apart: of these not applicable.
        remedy: the scope to set, as it is written in the parameters.
    """

    right: int
    where: str
    clips: int
    apart: int
    remedy: str


def _advice(name: str, verdicts: "pd.Series[bool]", clips: pd.DataFrame) -> str:
    """Say how often people said "not applicable", and by what part of a scope that is told best; "" for never."""
    if not verdicts.any():
        return ""
    judged = clips.set_index("clip_id", drop=False).loc[verdicts.index]
    known = int(max(verdicts.sum(), (~verdicts).sum()))
    found = [one for one in _divisions(judged, verdicts) if one.right > known or one.apart == one.clips > 1]
    if not found:
        return (
            f"{name}: people said {NOT_APPLICABLE!r} of {verdicts.sum()} of {len(verdicts)} clips; neither feed, "
            "modality, language nor metadata tell which"
        )
    best = max(found, key=lambda one: one.right)
    return (
        f"{name}: people said {NOT_APPLICABLE!r} of {best.apart} of {best.clips} clips {best.where}: set "
        f"capabilities.{name}.scope.{best.remedy}"
    )


def _divisions(judged: pd.DataFrame, verdicts: "pd.Series[bool]") -> Iterable[_Division]:
    """Try the parts of a scope, those first that are simplest to keep."""
    yield from _by_values("feeds", judged["feed"], verdicts)
    for modality, column in ((Modality.VIDEO, "media_sha256"), (Modality.TEXT, "text_sha256")):
        lacking = judged[column] == ""
        right = int((lacking == verdicts).sum())
        remedy = f"modalities: [{modality.value}]"
        yield _Division(right, f"without {modality.value}", int(lacking.sum()), int(verdicts[lacking].sum()), remedy)
    yield from _by_values("languages", judged["lang"].replace("", "und"), verdicts)
    for key in sorted({key for text in judged["metadata"].unique() for key in _keys(text)}):
        yield from _by_values(METADATA + key, clips_column(judged, METADATA + key), verdicts)


def _keys(metadata: str) -> Iterable[str]:
    found: dict[str, Any] = json.loads(metadata or "{}")
    return found


def _by_values(part: str, values: "pd.Series[str]", verdicts: "pd.Series[bool]") -> Iterable[_Division]:
    """Divide by the values of a column: those stay of which most clips are applicable."""
    sizes = {str(value): (len(some), int(some.sum())) for value, some in verdicts.groupby(values.to_numpy())}
    kept = [value for value, (clips, apart) in sizes.items() if 2 * apart <= clips]
    left = [value for value in sizes if value not in kept]
    if not kept or not left or len(sizes) > _MOST_VALUES:
        return
    right = sum(sizes[value][1] for value in left) + sum(sizes[value][0] - sizes[value][1] for value in kept)
    worst = max(left, key=lambda value: sizes[value][1])
    words = {"feeds": "of feed", "languages": "in"}.get(part, f"with {part.removeprefix(METADATA)}")
    yield _Division(right, f"{words} {worst}", *sizes[worst], f"{part}: [{', '.join(kept)}]")
