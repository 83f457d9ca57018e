"""Addresses: places that are not paths of this machine, such as `s3://bucket/clip.mp4`."""

import posixpath
import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urljoin

_PASSWORD: Final = re.compile(r"(://[^:/@\s]*:)(?!\{\w+\}@|\d+/)[^@\s]+@")


def is_address(place: str) -> bool:
    """Tell whether a place is an address rather than a path.

    >>> is_address("s3://bucket/a.mp4"), is_address("clips/a.mp4")
    (True, False)
    """
    return "://" in place


def scheme_of(address: str) -> str:
    """Find what stands before `://`, in small letters."""
    return address.partition("://")[0].lower()


def local_path(place: str) -> str:
    """Find the path that a `file://` address means; other places stay as they are.

    >>> local_path("file:///srv/a%20b.mp4")
    '/srv/a b.mp4'
    """
    return unquote(re.sub(r"^file://[^/]*", "", place)) if place.startswith("file://") else place


def join_address(folder: str, path: str) -> str:
    """Resolve a path that stands in a file behind an address.

    Args:
        folder: address of the folder that the path starts from.
        path: relative, or from the root of the host or bucket.

    >>> join_address("s3://bucket/feeds", "../clips/a.mp4")
    's3://bucket/clips/a.mp4'
    >>> join_address("https://host/feeds", "a #1.mp4")
    'https://host/feeds/a%20%231.mp4'
    """
    if folder.startswith(("http://", "https://")):
        slash = "/" if path.startswith("/") else ""
        return urljoin(folder + "/", slash + quote(path.lstrip("/"), safe="/%?=&;@!$'()*+,~"))
    scheme, _, rest = folder.partition("://")
    host, _, key = rest.partition("/")
    return f"{scheme}://{host}{posixpath.normpath(posixpath.join('/' + key, path))}"


def folder_of(address: str) -> str:
    """Cut an address down to the folder that holds the file; a query after `?` is left out."""
    return without_query(address).rpartition("/")[0]


def without_query(address: str) -> str:
    """Cut off what follows `?` where that is a query, as on the web.

    >>> without_query("https://host/feed.csv?key=1")
    'https://host/feed.csv'
    """
    return address.partition("?")[0] if address.startswith(("http://", "https://")) else address


def suffix_of(address: str) -> str:
    """Find a file's ending in small letters, with its dot; "" if it has none that is short and plain."""
    suffix = Path(without_query(address)).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""


def has_password(text: str) -> bool:
    """Tell whether an address in a text has a password in it; `{NAME}` in its place is none.

    >>> has_password("sql:postgresql://me:secret@host/db"), has_password("sql:postgresql://me:{PASSWORD}@host/db")
    (True, False)
    """
    return _PASSWORD.search(text) is not None


def hide_passwords(text: str) -> str:
    """Put stars in the place of passwords that stand in addresses.

    >>> hide_passwords("http://me:secret@host:80/a")
    'http://me:***@host:80/a'
    """
    return _PASSWORD.sub(r"\1***@", text)
