import logging
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from cu_pipeline.core.counters import count
from cu_pipeline.core.records import ANNOTATIONS, TEXT, AnnotatorKind, table
from cu_pipeline.labeling.people.batches import Review, State, accepted_answers
from cu_pipeline.labeling.people.records import AnswerState, Decided, Draw, Item, Opened, PersonAnswer

_log = logging.getLogger(__name__)


def answered_clips(reviews: Sequence[Review], clip_ids: "pd.Series[str]") -> pd.DataFrame:
    """Give the annotations of accepted batches on clips of the feed; say what is kept but not used.

    Args:
        reviews: of all batches.
        clip_ids: of the feed's usable clips.
    """
    annotations = people_annotations(reviews)
    here = annotations["clip_id"].isin(clip_ids)
    count("people_annotations", int(here.sum()))
    if gone := int((~here).sum()):
        _log.info("%d answers of people to clips that the feed no longer has are kept, but not used", gone)
    for review in reviews:
        if review.answers and not review.accepted:
            state = "sent back" if review.state is State.DONE else review.state.value
            _log.info("batch %s is %s, so its answers are not used: %s", review.batch.batch, state, review.reason)
    return annotations[here]


def people_annotations(reviews: Iterable[Review]) -> pd.DataFrame:
    """Turn the answers of accepted batches into annotations.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, a row for each clip, capability and person: the last answer.
    """
    rows = [row for answer in accepted_answers(reviews) for row in _rows(*answer)]
    return table(rows, ANNOTATIONS).drop_duplicates(["clip_id", "capability", "annotator"], keep="last")


def paid_answers(events: Iterable[Opened | Decided], answers: Iterable[PersonAnswer]) -> pd.DataFrame:
    """Give every answer that ever came in, whatever became of its batch: all of them are paid for.

    A person is paid once for a clip of a batch, also when the answer is changed or deleted later.

    Returns:
        A table with the columns of `records.ANNOTATIONS` and `batch`: rows with the same batch, clip, capability and
        person are one answer that was changed, in order.
    """
    opened = {event.batch: event for event in events if isinstance(event, Opened)}
    items = {(name, item.clip_id): item for name, batch in opened.items() for item in batch.items}
    rows = [
        row | {"batch": answer.batch}
        for answer in answers
        if answer.state is AnswerState.ANSWERED and (answer.batch, answer.clip_id) in items
        for row in _rows(opened[answer.batch], items[answer.batch, answer.clip_id], answer)
    ]
    return table(rows, ANNOTATIONS | {"batch": TEXT})


def unused_batches(reviews: Iterable[Review]) -> dict[str, str]:
    """Give the batches whose answers are not used, each with what became of it in words."""
    return {
        one.batch.batch: "sent back" if one.state is State.DONE else "not accepted yet"
        for one in reviews
        if not one.accepted
    }


def _rows(batch: Opened, item: Item, answer: PersonAnswer) -> Iterator[dict[str, object]]:
    for capability, label in answer.labels.items():
        yield {
            "clip_id": item.clip_id,
            "capability": capability,
            "annotator": answer.annotator,
            "kind": AnnotatorKind.HUMAN.value,
            "label": label,
            "probability": float("nan"),
            "probabilities": "",
            "price": batch.terms.price,
            "version": "",
            "draw": "" if item.draw is Draw.GOLD else item.draw.value,
        }
