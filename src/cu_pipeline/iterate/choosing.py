"""The step that chooses the clips that are worth a label."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.inference.prediction_log import scan_log
from cu_pipeline.ingest.capture_store import Captured
from cu_pipeline.ingest.served_clips import PLACE, ServedClips
from cu_pipeline.iterate.candidates import (
    Content,
    LogReader,
    Place,
    candidates,
    capture_store,
    clip_names,
    forecast,
    newest,
    still_there,
    without_erased,
)
from cu_pipeline.iterate.choose import Candidates, choose, random_tests
from cu_pipeline.iterate.decide import Action
from cu_pipeline.iterate.likeness import WindowScan
from cu_pipeline.iterate.state import Iteration, StepName
from cu_pipeline.iterate.taken_along import RulesOfThumb, take_along
from cu_pipeline.iterate.work import DRIFT, REQUESTS, Outcome, Work
from cu_pipeline.labeling.people.checked_rules import RuleCheck
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.labeling.sources.rules import load_rules
from cu_pipeline.models.bundle import Bundle

_PURPOSES = (Purpose.TEST, Purpose.RANDOM, Purpose.VALUE)

_LOOKED_AT: Final = 20_000
"""Newest clips of which rules are asked whether they answer."""


@dataclass(frozen=True)
class _Traffic:
    """What the service kept, and what is known of it.

    Attributes:
        kept: newest clips, each content once, oldest first.
        candidates: of the latest of them, those that no feed has.
        clips: these, in the same order.
        answered: content -> share of capabilities about which rules answer; empty where nobody asked rules.
        known: contents of the clips of all feeds.
        place: tells where a clip will be.
    """

    kept: list[Captured]
    candidates: Candidates
    clips: list[Captured]
    answered: Mapping[str, float]
    known: set[Content]
    place: Callable[[Captured], Place]


def choose_clips(work: Work) -> Outcome:
    """Choose the clips that are worth a label, and copy them into the feed `served`.

    For an audit these are clips to test on alone, at random among those of the latest window that the champions
    answered about. A training that comes of an audit tests on that audit's clips, too. With what is asked for clips go
    into that feed that rules answer about, and nobody is asked about.
    """
    log, clips, rejects = work.project.load("label_requests", "clips", "rejects")
    decided = work.iteration.facts(StepName.DECIDE)
    audits = Action(decided["action"]) is Action.AUDIT
    audited = [] if audits else audited_clips(log, decided.get("audit", 0))
    asked = [one for one in log if one.iteration == work.iteration.id]
    served, arrived = ServedClips(work.project.root / PLACE), {*clips["clip_id"], *rejects["clip_id"]}
    if not asked:
        seen = _seen(work, clips, log, ask_rules=not audits)
        if len(seen.candidates) < work.options.choose.least_clips and not audited:
            return Outcome({"requested": 0}, _too_few(len(seen.candidates), work), (DRIFT,), StepName.SETTLE)
        chosen = _to_audit(seen, work) if audits else _to_train(seen, work, len(audited))
        if isinstance(chosen, Outcome):
            return chosen
        settled = {content for content, name in served.names().items() if name in arrived}
        along = [] if audits else _along(seen, {*settled, *(one.clip_id for one in chosen)}, work)
        names = clip_names(seen.kept, set(clips["clip_id"]))
        by_content = {one.content: one for one in seen.kept}
        into_feed = [*(by_content[one.clip_id] for one in chosen), *along]
        served.keep((one, names[one.content]) for one in into_feed)
        asked = [LabelRequest(work.iteration.id, name, Purpose.TEST) for name in audited]
        asked += [replace(one, clip_id=names[one.clip_id]) for one in chosen]
        work.project.save("label_requests", asked)
    unasked = {*served.names().values()} - arrived - {one.clip_id for one in [*log, *asked]}
    return Outcome(*_counted(asked, len(audited), len(unasked)), (DRIFT, REQUESTS))


def _seen(work: Work, clips: pd.DataFrame, log: Sequence[LabelRequest], *, ask_rules: bool) -> _Traffic:
    """Look at what the service kept and answered.

    Args:
        work: of the step.
        clips: the table of usable clips.
        log: of all requests.
        ask_rules: whether rules are asked about it; an audit draws at random, whatever they say.
    """
    splits, place, resolved, erased = work.project.load(
        "earlier_splits", "prediction_log", "capabilities_resolved", "tombstones"
    )
    latest = work.options.choose.latest
    stored = newest(capture_store(work.options.capture).entries())
    kept = still_there(without_erased(stored, erased)[-max(latest, _LOOKED_AT) :])
    captured = kept[-latest:]
    kinds = {name: one.kind for name, one in resolved.active.items()}
    reader = LogReader.of([one.request_id for one in captured], kinds, work.drift().causes)
    for record in scan_log(place):
        reader.add(record)
    answered: dict[str, float] = {}
    if ask_rules:
        failed = _failed(work, clips, log, resolved.active)
        sound = [one for one in work.parameters["label"].rules if one.capability not in failed]
        rules = RulesOfThumb.of(sound, resolved.active, clips)
        answered = dict(zip([one.content for one in kept], rules.answered(kept).tolist(), strict=True))
    known = set(zip(clips["media_sha256"], clips["text_sha256"], strict=True))
    split = forecast(splits, work.parameters["collect"].split)
    found, mine = candidates(captured, reader.found, known, split, answered)
    return _Traffic(kept, found, mine, answered, known, split)


def _failed(
    work: Work, clips: pd.DataFrame, log: Sequence[LabelRequest], active: Mapping[str, Capability]
) -> frozenset[str]:
    """Find the capabilities with a rule that people's labels of earlier requests have shown to be wrong too often.

    What goes along would get no label of them, and people should be asked where such rules speak, too.
    """
    if not log:
        return frozenset()
    said, people, functions = work.project.load("rule_annotations", "annotations", "label_rules")
    options = work.parameters["label"]
    rules = [*options.rules, *load_rules(functions)]
    check = RuleCheck.of(rules, log, options.people, options.along_least_right)
    current = np.zeros(len(said), dtype=np.bool_)  # a rule that was corrected has not said anything yet
    for one in rules:
        current |= ((said["annotator"] == one.name) & (said["version"] == one.version)).to_numpy(np.bool_)
    said = said[current]

    def of(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        return said[said["capability"] == name], people[people["capability"] == name]

    return frozenset(name for name, one in active.items() if check.failed(*of(name), one.scope.within(clips), one))


def _to_audit(seen: _Traffic, work: Work) -> list[LabelRequest] | Outcome:
    """Draw clips of the latest window to test on, whatever rules say; where there are too few, say that instead."""
    log, champions = work.project.load("prediction_log", "served_champions")
    number, cross_fitted = int(work.iteration.facts(StepName.DECIDE)["clips"]), _cross_fitted(champions)
    window = _of_window(seen.candidates, seen.clips, work.iteration, log)
    chosen = random_tests(window, number, work.iteration.id, work.options.choose, cross_fitted=cross_fitted)
    if len(chosen) >= work.options.audit.least_clips:
        return chosen
    told = _no_audit(len(window), (len(chosen), number), work, cross_fitted=cross_fitted)
    return Outcome({"requested": 0}, told, (DRIFT,), StepName.AUDIT)


def _to_train(seen: _Traffic, work: Work, audited: int) -> list[LabelRequest]:
    """Choose clips to test on and to learn from, beside `audited` clips of an audit."""
    (champions,) = work.project.load("served_champions")
    number, cross_fitted = int(work.iteration.facts(StepName.DECIDE)["clips"]), _cross_fitted(champions)
    options = work.options.choose
    return choose(seen.candidates, number, work.iteration.id, options, audited, cross_fitted=cross_fitted)


def _along(seen: _Traffic, apart: Collection[str], work: Work) -> list[Captured]:
    """Choose clips to learn from that nobody is asked about.

    Args:
        seen: what the service kept.
        apart: contents that people are asked about, and those of the feed `served` that `collect` has taken or refused:
            what it refuses once would take the same place in every training.
        work: of the step.
    """
    return take_along(seen.kept, seen.answered, seen.place, seen.known, apart, work.options.choose)


def audited_clips(log: Iterable[LabelRequest], number: int) -> list[str]:
    """The clips that an iteration asked for to audit on, in order; none where `number` is 0."""
    mine = Iteration(number, "").id
    return [one.clip_id for one in log if number and one.iteration == mine and one.purpose is Purpose.TEST]


def _cross_fitted(champions: Mapping[str, Bundle]) -> bool:
    """Whether champions tell what models that had not seen them say of the clips that they learned from.

    What is trained next is of their families, as a rule; where it is not, the gate leaves out what it cannot use.
    """
    return bool(champions) and all(one.cross_fitted is not None for one in champions.values())


def _of_window(found: Candidates, mine: list[Captured], iteration: Iteration, place: str) -> Candidates:
    """Those candidates that the champions answered about in the latest window."""
    decided = iteration.facts(StepName.DECIDE)
    start, end = (datetime.fromisoformat(decided["window"][name]) for name in ("start", "end"))
    answered = {record.request_id for record in WindowScan(place, start, end, versions=decided["champions"])}
    inside = [one.request_id in answered for one in mine]
    return Candidates(found.table[inside], found.vectors[inside])


def _counted(asked: list[LabelRequest], audited: int, along: int) -> tuple[dict[str, int], str]:
    """How many clips are asked for, as facts and in words; those of an audit are answered already.

    Args:
        asked: what is asked for.
        audited: of these, those of an audit.
        along: clips that nobody is asked about.
    """
    counts = {one.value: sum(request.purpose is one for request in asked) for one in _PURPOSES}
    told = (
        f"{len(asked) - audited} clips that the service saw are asked for: {counts['test'] - audited} at random "
        f"to test on, {counts['random']} others at random, {counts['value']} by value"
    )
    if audited:
        told += f"; it is tested on the {audited} of the audit, too"
    if along:
        told += f"; {along} more are taken along, since rules answer about them"
    return {"requested": len(asked) - audited, **counts, "along": along}, told


def _too_few(found: int, work: Work) -> str:
    return (
        f"the service kept {found} clips that are not in the data, fewer than "
        f"{work.options.choose.least_clips} (iterate.choose.least_clips; CU_PIPELINE_CAPTURE keeps them)"
    )


def _no_audit(found: int, drawn: tuple[int, int], work: Work, *, cross_fitted: bool) -> str:
    """Say why there is no audit: of `found` clips so many could be drawn of as many as were wanted."""
    splits = "of the test split or of new creators" if cross_fitted else "of the test split"
    return (
        f"the champions answered about {found} clips of the latest window that were kept and are not in the data; of "
        f"{drawn[1]} that may be asked about, {drawn[0]} could be drawn to test on ({splits}, "
        f"{work.options.choose.per_unit} of one creator at most), fewer than {work.options.audit.least_clips} "
        "(iterate.audit.least_clips): nobody is asked"
    )
