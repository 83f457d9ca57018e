import logging
from collections.abc import Iterable, Sequence

import pandas as pd

from cu_pipeline.core.counters import count
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.labeling.queue.batches import Review, State, accepted_answers
from cu_pipeline.labeling.queue.records import Draw

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
    rows: list[dict[str, object]] = [
        {
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
        for batch, item, answer in accepted_answers(reviews)
        for capability, label in answer.labels.items()
    ]
    return table(rows, ANNOTATIONS).drop_duplicates(["clip_id", "capability", "annotator"], keep="last")
