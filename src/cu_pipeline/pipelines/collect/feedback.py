"""What people said of the service's answers, taken into the project's data."""

import logging

from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import StoreError
from cu_pipeline.inference.prediction_log import read_answers, read_new_feedback
from cu_pipeline.ingest.served_feedback import ServedFeedback

_log = logging.getLogger(__name__)


def take_feedback(prediction_log: str, earlier: list[ServedFeedback]) -> list[ServedFeedback]:
    """Find feedback that has come since, with the content of the clips that it is about.

    What was taken stays in the data, also when the log lets it go, so that a run can be repeated. So does what is of no
    request that the log knows, so that it is looked for once. A log that cannot be read now is read by the next run.
    Of the log only the ids of feedback are read, and then what is new.

    Args:
        prediction_log: its place.
        earlier: what was taken before.

    Returns:
        The new ones, oldest first.
    """
    count("feedback_taken", 0)
    known = {one.feedback_id for one in earlier}
    try:
        fresh = read_new_feedback(prediction_log, known)
        answers = read_answers(prediction_log, {one.request_id for one in fresh})
    except StoreError as error:
        _log.warning("feedback is not taken now: %s", error)
        return []
    contents = {name: (answer.media_sha256, answer.text_sha256) for name, answer in answers.items()}
    unknown = ("", "")
    taken = [
        ServedFeedback(
            feedback_id=one.feedback_id,
            time=one.time.isoformat(),
            capability=one.capability,
            label=one.label,
            annotator=one.annotator,
            media_sha256=contents.get(one.request_id, unknown)[0],
            text_sha256=contents.get(one.request_id, unknown)[1],
        )
        for one in fresh
    ]
    count("feedback_taken", len(taken))
    return taken
