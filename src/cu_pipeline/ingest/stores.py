"""Reading files from the stores that fsspec knows: `s3://`, `gs://`, `sftp://` and others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from cu_pipeline.core.addresses import scheme_of
from cu_pipeline.core.errors import BadClipError, ManifestError, Reason
from cu_pipeline.ingest.media_store import read_blocks
from cu_pipeline.ingest.transports import Body, TemporaryError

BLOCK: Final = 8 * 2**20
"""Bytes that are asked for at once."""

EXTRAS: Final = {"s3": "s3", "s3a": "s3"}
"""Extras of this package that bring what a scheme needs."""

_VERSION: Final = (
    "ETag",
    "etag",
    "Content-MD5",
    "md5Hash",
    "size",
    "mtime",
    "LastModified",
    "last_modified",
    "created",
)
_HOPELESS: Final = {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError"}


@contextmanager
def open_stored(address: str, known: str, wait_s: float) -> Iterator[Body | None]:
    """Open a file through fsspec: a `Transport`."""
    with _telling():
        store, path = open_store(address, wait_s)
        info = store.info(path)
        if info["type"] == "directory":
            raise BadClipError(Reason.MISSING, "it is a folder")
        version = version_of(info)
        stream = None if known and version == known else store.open(path, "rb", block_size=BLOCK)
    if stream is None:
        yield None
        return
    with stream:
        yield Body(version, info.get("size"), _blocks(stream))


def open_store(address: str, wait_s: float) -> tuple[Any, str]:
    """Give the file system behind an address, and the path in it.

    Raises:
        ManifestError: a package is not installed.
        ValueError: there is no such scheme.
    """
    import fsspec

    scheme = scheme_of(address)
    try:
        return fsspec.url_to_fs(address, **_options(scheme, wait_s))
    except ImportError as error:
        remedy = f"pip install 'cu-pipeline[{EXTRAS[scheme]}]'" if scheme in EXTRAS else str(error)
        raise ManifestError(f"{address!r} needs a package that is not installed. Remedy: {remedy}") from error


def version_of(info: dict[str, Any]) -> str:
    """Give what a store says of a file that a later content would change; "" when it says nothing."""
    facts = {name: info[name] for name in _VERSION if info.get(name) is not None}
    return json.dumps(facts, sort_keys=True, default=str) if facts else ""


def _options(scheme: str, wait_s: float) -> dict[str, Any]:
    if scheme in {"http", "https"}:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=wait_s, sock_read=wait_s)
        return {"client_kwargs": {"timeout": timeout}}
    if EXTRAS.get(scheme) == "s3":
        patience = {"connect_timeout": wait_s, "read_timeout": wait_s, "retries": {"max_attempts": 1}}
        return {"config_kwargs": patience, "use_listings_cache": False}
    return {}


def _blocks(stream: Any) -> Iterator[bytes]:
    with _telling():
        yield from read_blocks(stream)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except (BadClipError, ManifestError):
        raise
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadClipError(Reason.MISSING, "there is no such file in the store") from error
    except Exception as error:  # each store has errors of its own
        seen = f"{type(error).__name__}: {error}"
        if isinstance(error, (PermissionError, ValueError)) or type(error).__name__ in _HOPELESS:
            raise BadClipError(Reason.UNREACHABLE, seen) from error
        raise TemporaryError(seen) from error
