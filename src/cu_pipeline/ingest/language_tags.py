"""Tags of languages as BCP 47 (RFC 5646) writes them."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

UNDETERMINED: Final = "und"
"""The tag that says nothing."""

_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3}(?:-[a-z]{3}){0,3})"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<rest>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?)"
)


@lru_cache
def language_tag(value: str) -> str:
    """Give a feed's tag in BCP 47's usual spelling; "" for what is no tag or says nothing.

    Only the form is checked, not whether the parts are registered.

    >>> language_tag("en_us"), language_tag("ZH-hant-tw"), language_tag("English")
    ('en-US', 'zh-Hant-TW', '')
    """
    match = _TAG.fullmatch(value.strip().replace("_", "-").lower())
    if match is None or match["language"] == UNDETERMINED:
        return ""
    script, region = match["script"], match["region"]
    parts = (match["language"], script.title() if script else "", region.upper() if region else "")
    return "-".join(part for part in parts if part) + match["rest"]


def odd_tags(values: Iterable[str]) -> Counter[str]:
    """Count the values that are no tags."""
    given = Counter(value.strip() for value in values)
    return Counter({value: n for value, n in given.items() if value and not _is_tag(value)})


def _is_tag(value: str) -> bool:
    return bool(language_tag(value)) or value.lower() == UNDETERMINED
