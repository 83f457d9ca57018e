"""A feed's rows, checked one by one."""

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final

from cu_pipeline.core.capability import Capabilities, Kind
from cu_pipeline.core.caption_text import clean_caption, clean_name
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.records import TEXT
from cu_pipeline.core.scope import feed_name
from cu_pipeline.ingest.columns import COLUMNS
from cu_pipeline.ingest.language import language_tag
from cu_pipeline.ingest.manifest import PROBLEM, SOURCE
from cu_pipeline.ingest.moments import moment
from cu_pipeline.ingest.opinions import read_opinions, used_columns

CHECKED: Final = dict.fromkeys((*COLUMNS, "lang_source", "raw_text", "metadata", "opinions", "probe_key", "feed"), TEXT)
"""Columns of a table of checked rows.

`text` is cleaned, `raw_text` is not. `metadata` and `opinions` are JSON objects: of the other columns, and
capability -> annotator -> label. `probe_key` is the key of what probing the media finds; "" for text only. `feed` names
the source.
"""

_JSON: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def check_row(record: Mapping[str, str], capabilities: Capabilities) -> dict[str, str]:
    """Make sense of a manifest's row by itself.

    Returns:
        The columns of `CHECKED`, without a key.

    Raises:
        BadClipError: `bad_row`.
    """
    if problem := record.get(PROBLEM):
        raise BadClipError(Reason.BAD_ROW, problem)
    values = {name: record.get(name, "").strip() for name in COLUMNS}
    values |= {"text": clean_caption(values["text"]), "raw_text": record.get("text", "")}
    values["creator"] = clean_name(values["creator"])
    if not values["path"] and not values["text"]:
        raise BadClipError(Reason.BAD_ROW, "neither path nor text is given")
    kinds = tuple((name, one.kind) for name, one in capabilities.root.items())
    said, known = _known(kinds)
    try:
        values["posted_at"] = moment(values["posted_at"])
        opinions = _opinions(tuple(record.get(name, "") for name in said), kinds)
    except ValueError as error:
        raise BadClipError(Reason.BAD_ROW, str(error)) from error
    others = {name: value for name, value in record.items() if value and name not in known}
    tag = language_tag(values["lang"])
    if values["lang"] and not tag:
        others["lang"] = values["lang"]
    values |= {"lang": tag, "lang_source": "feed" if tag else ""}
    values["feed"] = _feed(record.get(SOURCE, ""))
    return values | {"metadata": _JSON.encode(others), "opinions": opinions, "probe_key": ""}


_feed = cache(feed_name)


@cache
def _known(kinds: tuple[tuple[str, Kind], ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The columns that tell opinions, and all that mean something."""
    said = tuple(used_columns(name for name, _ in kinds))
    return said, frozenset({*COLUMNS, PROBLEM, SOURCE, *said})


@lru_cache(maxsize=2**16)
def _opinions(values: tuple[str, ...], kinds: tuple[tuple[str, Kind], ...]) -> str:
    """Write the opinions of a row as JSON; most rows say what another one says."""
    return _JSON.encode(read_opinions(dict(zip(_known(kinds)[0], values, strict=True)), kinds))
