"""Which tasks of the queue go out now, and the batches that they are put in."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from cu_pipeline.core.actor import actor
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.labeling.people.batches import Review, State
from cu_pipeline.labeling.people.queue import QueueTerms
from cu_pipeline.labeling.people.tasks import Task
from cu_pipeline.labeling.people.work_log import BatchOpened, Draw, Item, Terms


def still_to_ask(queue: Sequence[Task], reviews: Sequence[Review], redundancy: int) -> list[Task]:
    """Take a queue without what was asked since it was written.

    A clip that waits in a batch is not asked about again, nor is one with enough answers in an accepted batch, unless
    the queue says that these are even and no answer came since.

    Args:
        queue: tasks as the label pipeline wrote them.
        reviews: of all batches.
        redundancy: answers that are enough for a clip.
    """
    busy, enough, answers = set(), set(), Counter[str]()
    for review in reviews:
        for item in review.batch.items:
            number = len(review.answers.get(item.clip_id, ()))
            answers[item.clip_id] += number
            if review.state is not State.DONE:
                busy.add(item.clip_id)
            elif review.accepted and number >= redundancy and item.draw is not Draw.GOLD:
                enough.add(item.clip_id)
    return [
        task
        for task in queue
        if (clip := task["data"]["clip_id"]) not in busy
        and (clip not in enough or answers[clip] <= task["meta"].get("even_of", -1))
    ]


def in_batches(
    tasks: Sequence[Task], asked: Mapping[str, Capability], terms: QueueTerms, place: str, time: str, opened: int
) -> Iterator[BatchOpened]:
    """Put tasks into batches of nearly equal size, no larger than those that are accepted or sent back together.

    Args:
        tasks: that ask the same.
        asked: what they ask about.
        terms: on which people are asked.
        place: where they go.
        time: ISO 8601.
        opened: batches that there are already.
    """
    parts = math.ceil(len(tasks) / terms.options.batch_clips)
    cut = [len(tasks) * part // parts for part in range(parts + 1)] if parts else []
    for number, (start, end) in enumerate(pairwise(cut), start=opened + 1):
        yield _batch(tasks[start:end], asked, terms, place, time, number)


def _batch(
    tasks: Sequence[Task], asked: Mapping[str, Capability], terms: QueueTerms, place: str, time: str, number: int
) -> BatchOpened:
    queue = terms.options
    return BatchOpened(
        batch=f"{number:04}-{json_sha256([time, [task['data']['clip_id'] for task in tasks]])[:6]}",
        time=time,
        place=place,
        terms=Terms(
            price=terms.price,
            redundancy=queue.redundancy,
            gold_accuracy=queue.gold_accuracy,
            alpha=queue.alpha,
        ),
        capabilities=dict(asked),
        items=tuple(
            Item(
                clip_id=task["data"]["clip_id"],
                draw=task["meta"]["draw"],
                gold=task["meta"].get("gold", {}),
                task={"data": task["data"], "predictions": task["predictions"]},
            )
            for task in tasks
        ),
        actor=actor(),
    )
