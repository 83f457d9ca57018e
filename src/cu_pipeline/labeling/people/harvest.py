"""Label Studio's annotations, read as answers, from its server, its JSON or its JSON-MIN."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cu_pipeline.core.capability import NONE, NOT_APPLICABLE, Capability, Kind, join_label
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.labeling.people.tasks import CONTROL, control
from cu_pipeline.labeling.people.work_log import AnswerState, BatchOpened, PersonAnswer, latest

Key = tuple[str, str, int]

UNKNOWN_USER: Final = "user-"
"""How an annotator is called of whom only Label Studio's number is known."""


@dataclass
class Harvest:
    """What was found in Label Studio's tasks.

    Attributes:
        fresh: answers that are new, were changed or were deleted.
        problems: answers that are refused, in words.
        foreign: tasks that belong to no batch.
        further: parts of answers to what this project does not ask, such as notes; they are not used.
    """

    fresh: list[PersonAnswer] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    foreign: int = 0
    further: int = 0


def harvest(
    tasks: Iterable[Mapping[str, Any]], batches: Iterable[BatchOpened], known: Sequence[PersonAnswer]
) -> Harvest:
    """Find what is new in Label Studio's tasks.

    An answer that stood in a task and no longer does was deleted, unless the task was read before the answer was
    given, as in an old export. A task that names no batch, as in JSON-MIN, belongs to the last one with its clip; an
    annotation without an id is its annotator's.

    Args:
        tasks: JSON of a project's tasks, with their annotations, or rows of JSON-MIN, each with one annotation.
        batches: that were opened.
        known: answers so far.
    """
    found, opened, before = Harvest(), {batch.batch: batch for batch in batches}, latest(list(known))
    last = {item.clip_id: batch.batch for batch in opened.values() for item in batch.items}
    by_clip: dict[tuple[str, str], list[PersonAnswer]] = {}
    for answer in before.values():
        by_clip.setdefault((answer.batch, answer.clip_id), []).append(answer)
    seen: set[Key] = set()
    updated: dict[tuple[str, str], str] = {}
    for task in tasks:
        data = task.get("data", task)
        clip = str(data.get("clip_id"))
        name = (task.get("meta") or {}).get("batch") or last.get(clip)
        if not name:
            found.foreign += 1
            continue
        if name not in opened or clip not in {item.clip_id for item in opened[name].items}:
            found.problems.append(f"task {task.get('id')}: this project opened no batch {name!r} with clip {clip!r}")
            continue
        if data is not task:
            updated[name, clip] = max(updated.get((name, clip), ""), _time(task.get("updated_at")))
        given = [_from_row(task, opened[name])] if data is task else task.get("annotations") or ()
        for annotation in given:
            identified = {**annotation, "id": _number(annotation, by_clip.get((name, clip), ()))}
            seen.add((name, clip, identified["id"]))
            _take(found, before, identified, opened[name], clip)
    for place, time in updated.items():
        for answer in by_clip.get(place, ()):
            if answer.key not in seen and answer.state is not AnswerState.DELETED and time >= answer.time:
                found.fresh.append(answer.model_copy(update={"state": AnswerState.DELETED, "labels": {}, "time": time}))
    return found


def _take(
    found: Harvest, before: Mapping[Key, PersonAnswer], annotation: Mapping[str, Any], batch: BatchOpened, clip: str
) -> None:
    result, further = _asked(annotation.get("result") or [])
    found.further += further
    try:
        answer = read_answer({**annotation, "result": result}, batch, clip)
    except ValueError as error:
        found.problems.append(f"annotation {annotation['id']} of clip {clip!r} (batch {batch.batch}): {error}")
        return
    earlier = before.get(answer.key)
    if earlier is None:
        found.fresh.append(answer)
        return
    if answer.annotator.startswith(UNKNOWN_USER):
        answer = answer.model_copy(update={"annotator": earlier.annotator})
    if answer != earlier and answer.time >= earlier.time:
        found.fresh.append(answer)


def _asked(result: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int]:
    """Keep what answers a question of a project like this; besides, count the notes and ratings that people added."""
    kept = [part for part in result if str(part.get("from_name")).startswith(CONTROL)]
    return kept, len(result) - len(kept)


def _from_row(row: Mapping[str, Any], batch: BatchOpened) -> dict[str, Any]:
    """Read a row of JSON-MIN, whose columns are the questions, as an annotation."""
    asked = [name for name in map(control, batch.capabilities) if row.get(name)]
    result = [{"from_name": name, "type": "choices", "value": {"choices": _choices(row[name])}} for name in asked]
    return {**row, "id": row.get("annotation_id"), "completed_by": row.get("annotator"), "result": result}


def _choices(cell: Any) -> list[str]:
    chosen = cell.get("choices") if isinstance(cell, Mapping) else cell
    return [chosen] if isinstance(chosen, str) else list(chosen or ())


def _number(annotation: Mapping[str, Any], known: Iterable[PersonAnswer]) -> int:
    """Give an annotation's number; without one that of the person's answer before, else one made of the person's name.

    Made numbers are below 0, where Label Studio has none.
    """
    if str(given := annotation.get("id")).isdecimal():
        return int(str(given))
    who = _annotator(annotation.get("completed_by"))
    before = [answer.annotation for answer in known if answer.annotator == who]
    return before[-1] if before else -1 - int(json_sha256([who])[:12], 16)


def read_answer(annotation: Mapping[str, Any], batch: BatchOpened, clip: str) -> PersonAnswer:
    """Read an annotation.

    Raises:
        ValueError: it names a class or a question that the batch does not have, or contradicts itself.
    """
    skipped = bool(annotation.get("was_cancelled"))
    return PersonAnswer(
        batch=batch.batch,
        clip_id=clip,
        annotation=int(annotation["id"]),
        annotator=_annotator(annotation.get("completed_by")),
        time=_time(annotation.get("updated_at") or annotation.get("created_at")),
        seconds=annotation.get("lead_time"),
        state=AnswerState.SKIPPED if skipped else AnswerState.ANSWERED,
        labels={} if skipped else _labels(annotation.get("result") or [], batch.capabilities),
    )


def _annotator(user: Any) -> str:
    if isinstance(user, Mapping):
        return str(user.get("email") or f"{UNKNOWN_USER}{user.get('id')}")
    return f"{UNKNOWN_USER}{'unknown' if user is None else user}" if isinstance(user, int | None) else str(user)


def _time(given: Any) -> str:
    """Write a time so that texts sort like times; "" when it is not told."""
    return datetime.fromisoformat(str(given)).astimezone(UTC).isoformat(timespec="microseconds") if given else ""


def _labels(result: Sequence[Mapping[str, Any]], capabilities: Mapping[str, Capability]) -> dict[str, str]:
    earlier = {f"label_{name}": name for name in capabilities}
    by_control = earlier | {control(name): name for name in capabilities}
    labels: dict[str, str] = {}
    for part in result:
        name = by_control.get(str(part.get("from_name")))
        if name is None:
            asked = ", ".join(map(control, capabilities))
            raise ValueError(f"it answers {part.get('from_name')!r}, which was not asked; asked: {asked}")
        labels[name] = _label(name, part.get("value", {}).get("choices") or [], capabilities[name])
    if not labels:
        raise ValueError("it answers nothing: skip the task instead")
    return labels


def _label(name: str, choices: Sequence[str], capability: Capability) -> str:
    multi = capability.kind is Kind.MULTI
    allowed = tuple(map(clean_name, (*capability.classes, NONE) if multi else capability.classes))
    choices = [clean_name(choice) for choice in choices]
    if NOT_APPLICABLE in choices:
        if len(choices) > 1:
            raise ValueError(f"{name}: {', '.join(choices)} contradict one another: {NOT_APPLICABLE!r} stands alone")
        return NOT_APPLICABLE
    if unknown := [choice for choice in choices if choice not in allowed]:
        raise ValueError(
            f"{', '.join(map(repr, unknown))} is no class of {name}; classes: {', '.join(allowed)}. Label Studio's "
            "labelling interface was changed there: correct the answer, or open new batches with the new classes"
        )
    if multi and NONE in choices and len(choices) > 1:
        raise ValueError(f"{name}: {', '.join(choices)} contradict one another: {NONE!r} stands alone")
    if not choices or (len(choices) > 1 and not multi):
        raise ValueError(f"{name}: {len(choices)} classes are chosen; exactly one holds")
    return join_label([choice for choice in choices if not multi or choice != NONE], capability.kind)
