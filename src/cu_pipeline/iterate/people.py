"""How what an iteration asks comes to people and back: Label Studio, a file, or simulated people."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.atomic import write_text
from cu_pipeline.ingest.served_clips import SERVED
from cu_pipeline.iterate import simulated_people
from cu_pipeline.iterate.options import IterateOptions, PeopleKind
from cu_pipeline.iterate.project import Project
from cu_pipeline.labeling.people.batches import Review, State
from cu_pipeline.labeling.people.question_sets import file_of
from cu_pipeline.labeling.people.task_sending import gone
from cu_pipeline.labeling.people.task_sync import TaskSync
from cu_pipeline.sample.truth import known_truth
from cu_pipeline.tracking.label_project import TOKEN, connect, open_sync
from cu_pipeline.tracking.project_feed import SAMPLE

FILE: Final = Path("data/08_reporting/label_tasks.json")
"""Where the tasks are for people who get them as a file."""

_TRUTHS: Final = ("data/01_raw/sample", "data/01_raw/traffic")


def is_generated(feed: Any) -> bool:
    """Whether a feed is the generated one, with or without what the service kept.

    >>> is_generated("sample"), is_generated(["sample", "served"]), is_generated(["clips.csv", "served"])
    (True, True, False)
    """
    places = [feed] if isinstance(feed, str) else list(feed or [SAMPLE])
    return SAMPLE in places and all(one in {SAMPLE, SERVED} for one in places)


def who_labels(options: IterateOptions, feed: Any) -> PeopleKind:
    """Find out who labels, where the parameters leave it open."""
    if options.people is not PeopleKind.AUTO:
        return options.people
    if is_generated(feed):
        return PeopleKind.SIMULATED
    return PeopleKind.LABEL_STUDIO if os.environ.get(TOKEN) else PeopleKind.FILES


@dataclass(frozen=True)
class Asked:
    """What was asked.

    Attributes:
        batches: that the clips are in.
        clips: how many wait in them.
        committed_usd: what their answers cost.
        place: where they went, in words.
    """

    batches: tuple[str, ...]
    clips: int
    committed_usd: float
    place: str


def ask(project: Project, kind: PeopleKind, options: IterateOptions, seed: int) -> Asked:
    """Send what the queue holds to people; what is with them already is not sent again.

    Raises:
        StudioError: the Label Studio server does not do what is asked of it.
        ConfigurationError: it is not known, or has no token.
    """
    with open_sync(project.root, project.env) as (sync, credentials):
        wanted = {task["data"]["clip_id"] for task in sync.queue}
        if kind is PeopleKind.SIMULATED:
            truth = known_truth(project.root / folder for folder in _TRUTHS)
            waiting = sync.open_for(simulated_people.PLACE)
            sync.answers.append(simulated_people.answers(waiting, truth, options.simulated, seed))
            place = "SIMULATED people, who know the generated world's truth (iterate.people)"
        elif kind is PeopleKind.LABEL_STUDIO:
            server = connect(sync, credentials)
            sync.push(server)
            place = server.place
        else:
            place = _write_files(sync, project.root / FILE)
        mine = [one for one in sync.reviews() if wanted & {item.clip_id for item in one.batch.items}]
        mine = _newest(mine, wanted)
        clips = sum(len(one.batch.items) for one in mine)
        return Asked(tuple(one.batch.batch for one in mine), clips, sum(one.committed for one in mine), place)


@dataclass(frozen=True)
class Standing:
    """Where the batches of an iteration stand.

    Attributes:
        reviews: of each.
        gone: clips that wait for an answer and that the Label Studio server does not have any more.
    """

    reviews: list[Review]
    gone: int = 0


def fetch(project: Project, kind: PeopleKind, batches: tuple[str, ...]) -> Standing:
    """Take the answers that have come, and say where batches stand.

    Raises:
        StudioError: the Label Studio server does not answer as it must.
    """
    with open_sync(project.root, project.env) as (sync, credentials):
        tasks = None
        if kind is PeopleKind.LABEL_STUDIO:
            tasks = sync.fetch(connect(sync, credentials))
            sync.take(tasks)
        reviews = [one for one in sync.reviews() if one.batch.batch in batches]
        return Standing(reviews, 0 if tasks is None else len(gone(tasks, reviews)))


def waiting_for(standing: Standing, kind: PeopleKind) -> str:
    """Say what is still to be done by people; "": nothing."""
    reviews = standing.reviews
    waiting = [one for one in reviews if one.state is State.OPEN]
    missing = sum(len(one.batch.items) - one.complete for one in waiting)
    doubtful = [one for one in reviews if one.state is State.REVIEW]
    told = []
    if missing:
        way = f"label them in Label Studio or `kedro labels import` {FILE}"
        if kind is PeopleKind.FILES:
            way = f"import {FILE} in Label Studio, label, and `kedro labels import ANSWERS.json`"
        elif kind is PeopleKind.LABEL_STUDIO:
            places = ", ".join(dict.fromkeys(one.batch.place for one in waiting))
            way = f"label them in Label Studio, {places}; the next `kedro iterate` takes the answers"
        answered = sum(one.complete for one in reviews)
        so_far = f" ({answered} are answered)" if answered else ""
        told.append(f"{missing} clips wait for people{so_far}: {way}")
    if standing.gone:
        names = " ".join(one.batch.batch for one in waiting)
        told.append(
            f"{standing.gone} of them are not there any more: `kedro labels push` sends them again, and `kedro labels "
            f"accept` goes on without them (batches: {names})"
        )
    if doubtful:
        names = ", ".join(one.batch.batch for one in doubtful)
        told.append(f"{names}: {doubtful[0].reason}: `kedro labels accept` or `send-back`")
    return "; ".join(told)


def counted(reviews: list[Review]) -> dict[str, Any]:
    """What people have done: clips answered, US dollars, and which batches count."""
    return {
        "answered": sum(one.complete for one in reviews),
        "accepted": [one.batch.batch for one in reviews if one.accepted],
        "committed_usd": round(sum(one.committed for one in reviews), 4),
    }


def queue_usd_left(reviews: list[Review], budget: float) -> float:
    """What `label.queue.budget_usd` leaves, US dollars."""
    return budget - sum(one.committed for one in reviews)


def _newest(reviews: list[Review], wanted: set[str]) -> list[Review]:
    """The batches that hold the wanted clips last: gold clips are in many."""
    last: Mapping[str, str] = {
        item.clip_id: one.batch.batch for one in reviews for item in one.batch.items if item.clip_id in wanted
    }
    return [one for one in reviews if one.batch.batch in set(last.values())]


def _write_files(sync: TaskSync, target: Path) -> str:
    sheets = sync.export()
    for one in sheets:
        path = target if len(sheets) == 1 else file_of(target, one.names)
        write_text(path, json.dumps(one.tasks, indent=2, ensure_ascii=False) + "\n")
        write_text(path.with_suffix(".xml"), one.interface + "\n")
    return f"{FILE} and the labelling interface beside it"
