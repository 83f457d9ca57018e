"""Bringing tasks to one project of a server: what is missing there, what moved, what is there twice."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cu_pipeline.core.progress import each
from cu_pipeline.labeling.people.batches import Review, State, is_complete
from cu_pipeline.labeling.people.label_studio import TaskServer
from cu_pipeline.labeling.people.tasks import Task
from cu_pipeline.labeling.people.work_log import BatchOpened, Item

_CHUNK: Final = 50


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        sent: tasks that were missing on the server.
        readdressed: tasks there whose media are now served from another address.
        doubled: tasks that were there twice; one of each is removed.
    """

    sent: int = 0
    readdressed: int = 0
    doubled: int = 0


def unanswered(review: Review) -> list[Task]:
    """List the tasks of a batch that wait for answers, as people see them."""
    return [
        _as_sent(review.batch, item)
        for item in review.batch.items
        if not is_complete(review.answers.get(item.clip_id, ()), review.batch)
    ]


def gone(tasks: Iterable[Task], reviews: Iterable[Review]) -> list[Task]:
    """List the tasks of batches that wait for answers and are not among those of a server any more."""
    there = {_place(task) for task in tasks}
    wanted = (task for review in reviews if review.state is State.OPEN for task in unanswered(review))
    return [task for task in wanted if _place(task) not in there]


def send_missing(server: TaskServer, wanted: Sequence[Task]) -> Pushed:
    """Send the tasks that a server lacks, and give those that it has the address of their media.

    A server that takes tasks and fails before it says so may have been sent them twice. Nobody is asked twice: one of
    them is removed, as long as it has no answer.
    """
    there = defaultdict[tuple[str, str], list[Task]](list)
    for task in server.tasks():
        there[_place(task)].append(task)
    missing = [task for task in wanted if _place(task) not in there]
    moved, doubled = list[tuple[int, Task]](), list[int]()
    for task in wanted:
        first, *others = sorted(there.get(_place(task), [task]), key=lambda one: not one.get("annotations"))
        doubled += [one["id"] for one in others if not one.get("annotations")]
        if "id" in first and first["data"].get("video") != task["data"]["video"]:
            moved.append((first["id"], task))
    server.remove(doubled)
    for number, task in each(iter(moved), "giving tasks their new address", len(moved), "task"):
        server.change(number, task["data"])
    chunks = (missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK))
    for chunk in each(chunks, "sending tasks", math.ceil(len(missing) / _CHUNK), f"batch of {_CHUNK}"):
        server.send(chunk)
    return Pushed(len(missing), len(moved), len(doubled))


def _as_sent(batch: BatchOpened, item: Item) -> Task:
    """Show a task without what people must not see: how its clip was drawn, and whether the answer is known."""
    return {**item.task, "meta": {"batch": batch.batch}}


def _place(task: Task) -> tuple[str, str]:
    """The batch and the clip of a task."""
    return (task.get("meta") or {}).get("batch", ""), task["data"].get("clip_id", "")
