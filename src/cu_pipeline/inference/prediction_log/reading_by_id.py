"""Records of the prediction log by their ids, so that what is known already is not read again."""

from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import FeedbackRecord, PredictionRecord, Record, from_line
from cu_pipeline.inference.prediction_log.scan import order
from cu_pipeline.inference.prediction_log.sources import AT_ONCE, connected, open_files, stored

if TYPE_CHECKING:
    from sqlalchemy import Connection

Named = TypeVar("Named", PredictionRecord, FeedbackRecord)


def read_new_feedback(place: str | Path, known: Set[str]) -> list[FeedbackRecord]:
    """Read what people said of answers beyond what is known, oldest first; of that only the ids are read.

    Whatever comes late, from a machine whose database was out of reach, is new then.

    Args:
        place: of the log.
        known: ids of feedback.

    Raises:
        StoreError: the database cannot be read.
    """
    found: dict[str, FeedbackRecord] = {}
    where = Place.of(place)
    with ExitStack() as stack:
        for record in _waiting(where, stack):
            if isinstance(record, FeedbackRecord) and record.feedback_id not in known:
                found[record.feedback_id] = record
        connection = stack.enter_context(connected(where))
        if connection is not None:
            import sqlalchemy as sa

            from cu_pipeline.inference.prediction_log.schema import FEEDBACK

            ids = connection.execute(sa.select(FEEDBACK.c.feedback_id)).scalars()
            fresh = [name for name in ids if name not in known]
            found |= {one.feedback_id: one for one in _named(connection, FeedbackRecord, fresh)}
    return sorted(found.values(), key=order)


def read_answers(place: str | Path, request_ids: Collection[str]) -> dict[str, PredictionRecord]:
    """Read the answers to some requests, the product's own clips among them: by the id of the request.

    Raises:
        StoreError: the database cannot be read.
    """
    wanted = set(request_ids)
    if not wanted:
        return {}
    where = Place.of(place)
    with ExitStack() as stack:
        waiting = [one for one in _waiting(where, stack) if isinstance(one, PredictionRecord)]
        found = {one.request_id: one for one in waiting if one.request_id in wanted}
        connection = stack.enter_context(connected(where))
        if connection is not None:
            found |= {one.request_id: one for one in _named(connection, PredictionRecord, sorted(wanted))}
    return found


def _waiting(place: Place, stack: ExitStack) -> Iterator[Record]:
    """The records that are not in the database yet."""
    for stream in open_files(place, stack):
        yield from (record for line in stream if (record := from_line(line)) is not None)


def _named(connection: "Connection", model: type[Named], names: Sequence[str]) -> Iterator[Named]:
    """The rows of some ids; one that is damaged is left out."""
    from cu_pipeline.inference.prediction_log.schema import TABLES, raw_columns

    table = TABLES[model]
    (key,) = table.primary_key.columns
    for first in range(0, len(names), AT_ONCE):
        some = table.select().with_only_columns(*raw_columns(table, connection.dialect.name))
        rows = stored(connection, model, some.where(key.in_(names[first : first + AT_ONCE])))
        yield from (one for one in rows if one is not None)
