"""Shared places: folders behind addresses that fsspec knows, such as `s3://bucket/project`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.addresses import hide_passwords, is_address, scheme_of
from cu_pipeline.core.errors import CuPipelineError, PlaceError

WAIT_S: Final = 30.0
"""Seconds of silence after which a store counts as not answering."""

EXTRAS: Final = {"s3": "s3", "s3a": "s3"}
"""Extras of this package that bring what a scheme needs."""

_WITHOUT_FOLDERS: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"})
"""Schemes of object stores: to make a folder there would make a bucket, also where its name is misspelt."""

_NO_KEYS: Final = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
_SILENT: Final = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "FSTimeoutError",
        "HTTPClientError",
        "ProxyConnectionError",
        "ReadTimeoutError",
        "SSLError",
    }
)


def is_shared(place: str | Path) -> bool:
    """Tell whether a place is behind an address, and not on a disk of this machine.

    >>> is_shared("s3://bucket/features"), is_shared("data/04_feature"), is_shared("file:///srv/features")
    (True, False, False)
    """
    return isinstance(place, str) and is_address(place) and scheme_of(place) != "file"


def store_options(scheme: str, wait_s: float, attempts: int = 1) -> dict[str, Any]:
    """What fsspec is told about a store.

    Listings are never taken from memory, since others write there too. Checksums that S3 servers of other makes get
    wrong for ranges are not asked for: what is read whole is held against a SHA-256 of our own.

    Args:
        scheme: of the address.
        wait_s: seconds of silence after which the store counts as not answering.
        attempts: of a request.
    """
    if EXTRAS.get(scheme) != "s3":
        return {}
    patience = {"connect_timeout": wait_s, "read_timeout": wait_s, "retries": {"max_attempts": attempts}}
    checks = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    return {"config_kwargs": patience | checks, "use_listings_cache": False}


def file_system(address: str) -> tuple[Any, str]:
    """Find the file system behind an address, and the path in it; to be asked anew in every process.

    Raises:
        PlaceError: there is no such scheme, or a package is not installed.
    """
    with faults_told(address):
        import fsspec

        system, path = fsspec.url_to_fs(address, **store_options(scheme_of(address), WAIT_S, attempts=3))
        return system, str(path).rstrip("/")


def make_folder(system: Any, address: str, folder: str) -> None:
    """Make a folder where a file system has such things."""
    if scheme_of(address) not in _WITHOUT_FOLDERS:
        system.makedirs(folder, exist_ok=True)


@contextmanager
def faults_told(address: str) -> Iterator[None]:
    """Turn what a file system says into an error that names the place and the remedy.

    Raises:
        PlaceError: the place cannot be used.
    """
    try:
        yield
    except CuPipelineError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise PlaceError(f"{hide_passwords(address)} cannot be used: {_told(address, error)}") from error


def _told(address: str, error: Exception) -> str:
    name, said = type(error).__name__, hide_passwords(str(error))
    scheme = scheme_of(address)
    if isinstance(error, ImportError):
        extra = EXTRAS.get(scheme)
        return f"a package is not installed. Remedy: pip install 'cu-pipeline[{extra}]'" if extra else said
    if name in _NO_KEYS:
        return "there are no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, PermissionError):
        return f"access is denied ({said}). Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do there"
    if name in _SILENT or isinstance(error, (ConnectionError, TimeoutError)):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "AWS"
        return f"{hide_passwords(endpoint)} does not answer ({name}). Check AWS_ENDPOINT_URL and the network"
    if isinstance(error, FileNotFoundError) and "bucket" in said:
        bucket = address.partition("://")[2].partition("/")[0]
        return f"there is no bucket {bucket!r}. Make it, or correct the address"
    if isinstance(error, ValueError) and scheme in said:
        return f"{said}. Allowed: what fsspec knows, such as s3://"
    return f"{name}: {said}"
