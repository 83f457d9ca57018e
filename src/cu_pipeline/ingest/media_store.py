"""Copies of media that do not lie on this machine as files, named by their content."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.ingest.manifest import Record, to_frame

FOLDER: Final = Path("data/01_raw/media")
EXTRACTED: Final = FOLDER / "extracted"
"""Lists of what containers held."""

BLOCK: Final = 2**20
"""Bytes that are read at once."""


def keep(blocks: Iterable[bytes], suffix: str, max_bytes: int) -> str:
    """Write a file's bytes to the disk under the name of their SHA-256, unless they are there.

    A crash leaves the whole file under its name or none, and at most something in `.partial`.

    Args:
        blocks: the bytes; no more than `max_bytes` and a block are taken.
        suffix: the name's ending, with its dot.
        max_bytes: largest file.

    Returns:
        The path in the form that tables keep.

    Raises:
        BadClipError: `too_large`.
    """
    folder = from_stored(str(FOLDER))
    partial = folder / ".partial"
    partial.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(prefix=f"{os.getpid()}-", dir=partial, delete=False) as stream:
        temporary = Path(stream.name)
        try:
            for block in blocks:
                size += len(block)
                if size > max_bytes:
                    raise BadClipError(Reason.TOO_LARGE, f"more than {max_bytes} bytes")
                digest.update(block)
                stream.write(block)
            name = digest.hexdigest()
            target = folder / name[:2] / f"{name}{suffix}"
            if not target.exists():
                stream.flush()
                os.fsync(stream.fileno())
                target.parent.mkdir(exist_ok=True)
                temporary.chmod(0o644)
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return to_stored(target)


def unfinished() -> list[Path]:
    """List what processes left unfinished that are no more."""
    found = from_stored(str(FOLDER / ".partial")).glob("*-*")
    return sorted(path for path in found if not _runs(path.name.partition("-")[0]))


def sweep() -> None:
    """Remove what processes left unfinished that are no more."""
    for path in unfinished():
        path.unlink(missing_ok=True)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


VERSION = 1
"""Of how containers are read: another one reads them again."""


def extract_once(key: object, read: Callable[[], Iterable[Record]]) -> pd.DataFrame:
    """Read the rows of a container, from an earlier run's list while all copies of its media are there.

    Args:
        key: what tells the container's content and how it is read; fit for JSON.
        read: reads the rows and puts the media into the media store; `path` is in the form that tables keep.
    """
    listing = from_stored(str(EXTRACTED / f"{json_sha256([VERSION, key])}.parquet"))
    count("media_extracted", 0)
    if listing.is_file():
        frame = pd.read_parquet(listing)
        if all(from_stored(path).is_file() for path in frame["path"] if path):
            return frame
    frame = to_frame(read())
    frame = frame.assign(path=frame.get("path", ""))
    with atomic_path(listing) as temporary:
        frame.to_parquet(temporary)
    return frame
