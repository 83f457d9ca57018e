"""A feed's rows, checked one by one."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final

from cu_pipeline.core.capability import Capabilities
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
    try:
        values["posted_at"] = moment(values["posted_at"])
        opinions = read_opinions(record, capabilities)
    except ValueError as error:
        raise BadClipError(Reason.BAD_ROW, str(error)) from error
    known = _known(tuple(capabilities.root))
    others = {name: value for name, value in record.items() if value and name not in known}
    tag = language_tag(values["lang"])
    if values["lang"] and not tag:
        others["lang"] = values["lang"]
    values |= {"lang": tag, "lang_source": "feed" if tag else ""}
    values["feed"] = _feed(record.get(SOURCE, ""))
    return values | {"metadata": _JSON.encode(others), "opinions": _JSON.encode(opinions), "probe_key": ""}


_feed = cache(feed_name)


@cache
def _known(capabilities: tuple[str, ...]) -> frozenset[str]:
    return frozenset({*COLUMNS, PROBLEM, SOURCE, *used_columns(capabilities)})
