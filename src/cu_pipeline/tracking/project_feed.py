"""The feed of a project: the parameter that stays as a run was given it, in `params.yaml`, until another is given."""

import os
import re
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.addresses import has_password, is_address
from cu_pipeline.tracking.parameter_trees import lay_over, look_up, nested

FEED: Final = "collect.manifest"
"""The parameter."""

REPLACE: Final = "collect.replace"
"""The parameter that lets a foreign feed take the place of what is stored; a command line asks for one run only."""

TABLE: Final = "raw_manifest"
"""The dataset that holds the feed's rows; when it is written, the feed is the project's."""

SAMPLE: Final = "sample"
"""What a project without a feed reads."""

_NAMED: Final = re.compile(r"([A-Za-z]\w*:)?(.*)", re.DOTALL)
_KEY: Final = re.compile(
    r"[?&](x-amz-(signature|credential|security-token)|x-goog-signature|sig|signature|(access_)?token|(api_?)?key"
    r"|password|secret)=(?!\{\w+\})[^&]",
    re.IGNORECASE,
)


def with_feed(parameters: dict[str, Any], recorded: dict[str, Any], root: Path) -> dict[str, Any]:
    """Give parameters the project's feed where they state none, and write what they state in the form that is kept.

    Args:
        parameters: of conf/ and the command line.
        recorded: what `params.yaml` changes.
        root: the project's folder.
    """
    for source in (parameters, recorded):
        try:
            value = look_up(source, FEED)
        except KeyError:
            continue
        changed: dict[str, Any] = lay_over(parameters, nested(FEED, tidied(value, root)))
        return changed
    return parameters


def tidied(value: Any, root: Path) -> Any:
    """Write a feed so that it means the same in every checkout: paths inside the project relative to its folder.

    Args:
        value: of the parameter, a text or a list of texts; what is neither stays as it is.
        root: the project's folder.

    >>> tidied("/work/clips.csv; folder:/srv/clips", Path("/work"))
    ['clips.csv', 'folder:/srv/clips']
    >>> tidied(["sql:sqlite:////work/a.db#t"], Path("/work"))
    'sql:sqlite:////work/a.db#t'
    """
    listed = value.split(";") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        return value
    places = [_relative(one.strip(), root) for one in listed if one.strip()]
    return places[0] if len(places) == 1 else places


def kept(value: Any) -> Any:
    """Tell what `params.yaml` keeps of a feed: None, nothing, of the generated one or one whose address has a key."""
    listed = [value] if isinstance(value, str) else value
    return None if listed == [SAMPLE] or any(map(has_key, listed)) else value


def has_key(place: str) -> bool:
    """Tell whether an address has a password or, in what follows `?`, a key, which no file that git keeps may hold.

    >>> has_key("https://host/a.csv?X-Amz-Signature=7f"), has_key("https://host/a.csv?page=2")
    (True, False)
    """
    return has_password(place) or (is_address(place) and _KEY.search(place) is not None)


def in_words(value: Any) -> str:
    """Write a feed as it is given on the command line."""
    return value if isinstance(value, str) else ";".join(value)


def _relative(place: str, root: Path) -> str:
    found = _NAMED.fullmatch(place)
    name, path = (found[1] or "", found[2]) if found else ("", place)
    folder = os.path.abspath(root)  # noqa: PTH100 - links are not followed
    return name + path.removeprefix(f"{folder}/") if not is_address(path) else place
