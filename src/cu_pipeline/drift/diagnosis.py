"""What a drift comes from, in words: causes are looked for one after the other, each in what the others leave."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.drift.causes.client import other_version
from cu_pipeline.drift.causes.evidence import MOST_BEFORE, MOST_RECENT, Evidence
from cu_pipeline.drift.causes.finding import CauseKind, Finding, Search
from cu_pipeline.drift.causes.language import new_language
from cu_pipeline.drift.causes.mix import other_mix
from cu_pipeline.drift.causes.moved import moved_style
from cu_pipeline.drift.causes.novel import new_style, new_topic
from cu_pipeline.drift.causes.reuploads import burst_of_reuploads
from cu_pipeline.drift.causes.slow import slow_answers
from cu_pipeline.drift.causes.upstream import broken_files, equal_pictures, missing_parts
from cu_pipeline.drift.change_point import risen_since
from cu_pipeline.drift.compare import Comparison, DriftDecision
from cu_pipeline.drift.diagnosis_options import DiagnosisOptions
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.drift.service import SERVICE_KINDS
from cu_pipeline.drift.stretches import TrafficCounts
from cu_pipeline.drift.windows import LATEST_PERIOD

__all__ = ["CAUSES", "Cause", "CauseKind", "DiagnosisOptions", "diagnose"]

CAUSES: Final[dict[str, Search]] = {
    "missing parts": missing_parts,
    "equal pictures": equal_pictures,
    "broken files": broken_files,
    "re-uploads": burst_of_reuploads,
    "slow answers": slow_answers,
    "client or decoder": other_version,
    "language": new_language,
    "new topic": new_topic,
    "new style": new_style,
    "mix": other_mix,
    "moved style": moved_style,
}
"""What is looked for, in this order: faults first, since what they do to answers looks like anything else."""

TRAINS: Final = frozenset(
    {CauseKind.MIX, CauseKind.NEW_STYLE, CauseKind.NEW_TOPIC, CauseKind.NEW_LANGUAGE, CauseKind.UNKNOWN}
)
"""Causes that training on new clips may help against."""

OF_SERVICE: Final[tuple[Search, ...]] = (broken_files, burst_of_reuploads, slow_answers)
"""All that is looked for where only tests of the service itself found anything: the clips are as they were."""

_SEED: Final = 7
_LAST: Final = (moved_style,)
"""What is looked for only where nothing else was found: any other cause moves the whole a little."""


@dataclass(frozen=True)
class Cause:
    """Something that changed.

    Attributes:
        kind: of the cause.
        in_words: what and since when, for people.
        since: when it began; None: it has been so as long as the log goes back.
        share: of the window's clips that are of the new kind, 0 to 1.
        request_ids: of typical clips, the most typical first.
        tests: names of the tests that it explains.
        trains: whether training on new clips may help.
    """

    kind: CauseKind
    in_words: str
    since: datetime | None
    share: float
    request_ids: tuple[str, ...]
    tests: tuple[str, ...]
    trains: bool

    def to_json(self) -> dict[str, Any]:
        """The form for files."""
        return asdict(self) | {"since": self.since and self.since.isoformat(timespec="seconds")}


def diagnose(
    comparison: Comparison,
    references: Mapping[str, ClipSample],
    current: ClipSample,
    traffic: TrafficCounts,
    options: DiagnosisOptions,
) -> list[Cause]:
    """Find what a drift comes from.

    Args:
        comparison: what the tests found.
        references: capability -> what its served model learned from.
        current: all traffic, oldest first, with `time` and `request_id`.
        traffic: what is known of it beside its clips.
        options: when a cause is named.

    Returns:
        The gravest first: faults, then the largest; none without drift. What no cause explains is one of its own.
    """
    if comparison.decision is not DriftDecision.DRIFT or not len(current):
        return []
    named = {name: sample.with_units("reference") for name, sample in references.items()}
    evidence = _evidence(comparison, named, current.with_units("traffic"), traffic, options)
    whole, found = evidence, dict[CauseKind, Cause]()
    of_service = evidence.drifted.keys() <= SERVICE_KINDS
    for search in OF_SERVICE if of_service else CAUSES.values():
        finding = None if search in _LAST and found else search(evidence)
        if finding is None or finding.kind in found:
            continue
        found[finding.kind] = _cause(whole, finding)
        evidence = evidence.without(finding.involved)
    explained = {name for cause in found.values() for name in cause.tests}
    left = tuple(name for names in evidence.drifted.values() for name in names if name not in explained)
    causes = sorted(found.values(), key=lambda cause: (cause.trains, -cause.share))
    return causes if causes and not left else [*causes, _unknown(comparison, left)]


def _evidence(
    comparison: Comparison,
    references: Mapping[str, ClipSample],
    current: ClipSample,
    traffic: TrafficCounts,
    options: DiagnosisOptions,
) -> Evidence:
    drifted: dict[str, tuple[str, ...]] = {}
    for test in comparison.tests:
        if test.drifted and test.name not in drifted.get(test.kind, ()):
            drifted[test.kind] = (*drifted.get(test.kind, ()), test.name)
    windows = {test.window for test in comparison.tests if test.drifted}
    chosen = next(one for one in comparison.windows if one.name in windows)
    period = next((one.start for one in comparison.windows if one.name == LATEST_PERIOD), None)
    recent = current.table.iloc[-MOST_RECENT:]
    times = pd.to_datetime(recent["time"], utc=True)
    window = np.ones(len(recent), dtype=np.bool_)
    if chosen.start is not None and chosen.end is not None:
        window = ((times >= chosen.start) & (times <= chosen.end)).to_numpy()
    before = pd.concat([one.table for one in references.values()]).drop_duplicates("clip_id")
    if len(before) > MOST_BEFORE:
        turn = before["group"].map(lambda unit: hashlib.sha256(str(unit).encode()).hexdigest())
        before = before.loc[turn.sort_values(kind="stable").index[:MOST_BEFORE]]
    return Evidence(
        references, ClipSample(before), ClipSample(recent), window, window.copy(), traffic, drifted, options, period
    )


def _cause(evidence: Evidence, finding: Finding) -> Cause:
    times = [one.to_pydatetime() for one in pd.to_datetime(evidence.recent.table["time"], utc=True)]
    known = np.flatnonzero(np.isfinite(finding.indicator))
    since = None
    if len(known):
        values, units = finding.indicator[known], evidence.units[known]
        since = risen_since(values, [times[place] for place in known], units, _SEED)
    order = np.argsort(-finding.typical, kind="stable")
    shown = [place for place in order if finding.involved[place] or finding.typical[place] > 0]
    ids = evidence.now["request_id"].to_numpy(dtype=object)
    tests = tuple(name for kind in finding.kinds for name in evidence.drifted.get(kind, ()))
    return Cause(
        finding.kind,
        finding.in_words + (f"; since {since:%Y-%m-%d %H:%M} UTC" if since else ""),
        since,
        round(min(1.0, finding.share), 4),
        tuple(str(ids[place]) for place in shown[: evidence.options.clips]),
        tuple(sorted(tests)),
        finding.kind in TRAINS,
    )


def _unknown(comparison: Comparison, names: tuple[str, ...]) -> Cause:
    told = [test for test in comparison.tests if test.drifted and (test.name in names or not names)]
    words = "; ".join(dict.fromkeys(f"{test.name} ({test.in_words})" for test in told))
    trains = any(test.kind not in SERVICE_KINDS for test in told)
    return Cause(CauseKind.UNKNOWN, f"no known cause explains {words}", None, 0.0, (), names, trains)
