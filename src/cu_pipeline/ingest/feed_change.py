"""A project's feed stays: one that shares no clip with what is stored takes its place only when that is asked for."""

import logging
import shlex
from collections.abc import Sequence
from typing import Final

from cu_pipeline.core.errors import ForeignFeedError
from cu_pipeline.core.rows import Rows
from cu_pipeline.ingest.known_clips import known_rows
from cu_pipeline.ingest.manifest import SOURCE

SAMPLE: Final = "sample"
"""The generated feed, which is nobody's: a first feed of one's own takes its place unasked."""

_KEPT: Final = "Splits, features, people's answers, certifications and what was paid stay on file, and count again for \
clips that come back"
_log = logging.getLogger(__name__)


def check_feed_change(rows: Rows, manifest: Rows, clips: Rows, places: Sequence[str], *, replace: bool) -> None:
    """Stop before a foreign feed takes the place of what is stored, and say so where another feed does.

    Args:
        rows: of the feed that was read.
        manifest: the rows of the last feed; without rows where they were lost.
        clips: the stored clips, of which `ingest.known_clips` names the columns; without rows there is nothing to lose.
        places: of the feed that was read.
        replace: whether it was asked for.

    Raises:
        ForeignFeedError: no row is a stored clip, and nobody asked for it.
    """
    if not len(clips):
        return
    new, stored = _written(places), _written(_sources(manifest))
    known = known_rows(rows, manifest, clips)
    held = f"{len(clips):,} clips" + (f" of {stored!r}" if stored else "")
    if known and new != stored:
        _log.info("the feed is now %r: %d of its %d rows are clips of what is stored, %s", new, known, len(rows), held)
    elif not known and (replace or stored == SAMPLE != new):
        _log.warning("%d rows of %r take the place of %s. %s", len(rows), new, held, _KEPT)
    elif not known:
        raise ForeignFeedError("\n".join(_refusal(new, len(rows), stored, held)))


def _sources(manifest: Rows) -> list[str]:
    batches = manifest.batches([SOURCE]) if SOURCE in manifest.names else ()
    return list(dict.fromkeys(source for batch in batches for source in batch[SOURCE].unique()))


def _refusal(new: str, rows: int, stored: str, held: str) -> list[str]:
    lines = [
        f"the feed {new!r} ({rows:,} rows) shares no clip with what this project holds, {held}. Nothing was changed",
        f"to let it take their place: {_command(new)} --replace, or make run with REPLACE=1",
    ]
    if not stored or new == stored:
        return lines
    added = [] if SAMPLE in (new, stored) else [f"to have both: {_command(f'{stored};{new}')}"]
    return [*lines, f"to go on with what is stored: {_command(stored)}", *added]


def _written(places: Sequence[str]) -> str:
    return ";".join(places)


def _command(places: str) -> str:
    return "kedro run --params " + shlex.quote("collect.manifest=" + places.replace(",", r"\,"))
