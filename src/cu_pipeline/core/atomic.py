"""Writing files so that a crash, an error or a full disk leaves the old file or the new one, never a part."""

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import NoSpaceError

_TEMPORARY: Final = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OF_RUST: Final = re.compile(r"\(os error (\d+)\)")
"""The system's number in what safetensors says, which raises no `OSError`."""
_OF_TORCH: Final = re.compile(r"inline_container\.cc.*unexpected pos|iostream error")
"""What torch.save says of a file that it could not write whole."""


@contextmanager
def atomic_path(target: Path, mode: int = 0o644) -> Iterator[Path]:
    """Write to a temporary path beside `target` that replaces it when the block ends well.

    The bytes are on the disk before the name changes, so a crash leaves the old file or the new one, never
    a part. When the block raises, the temporary file is removed and `target` is as before. What a killed process
    leaves is for `remove_strays`; a lock on the temporary file says that somebody writes it.

    Args:
        target: the file to write; its folder is made if need be.
        mode: who may read and write it.

    Raises:
        NoSpaceError: the disk is full.
    """
    with no_space_told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        try:
            _lock(handle)
            yield temporary
            temporary.chmod(mode)
            _sync(temporary)
            temporary.replace(target)
            _sync(target.parent)
        finally:
            os.close(handle)
            temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_tree(folder: Path) -> None:
    """Remove a folder so that a crash leaves all of it or nothing under its name; `remove_strays` removes the rest."""
    doomed = temporary_beside(folder)
    folder.rename(doomed)
    shutil.rmtree(doomed)


def replace_folder(new: Path, target: Path) -> bool:
    """Let a finished folder take another's place in one step: readers find the former or the new one, never neither.

    Args:
        new: the finished folder, on the file system of `target`; it is gone afterwards.
        target: the folder to replace; it may be absent.

    Returns:
        Whether it was done; not every system and file system is able to, and then both are as they were.
    """
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        return False
    _sync(target.parent)
    shutil.rmtree(new, ignore_errors=True)
    return True


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders swap their names, which Linux can do since 3.15; tell whether it was done."""
    if sys.platform != "linux" or (swap := getattr(ctypes.CDLL(None), "renameat2", None)) is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <fcntl.h>
    done: int = swap(here, os.fsencode(one), here, os.fsencode(other), exchange)
    return done == 0


def temporary_beside(target: Path) -> Path:
    """A name beside `target` for what will take its place, such as a folder; if need be `remove_strays` removes it."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def strays(folder: Path) -> list[Path]:
    """List the files in `folder` that writers have not finished, also living ones, and what `remove_tree` left."""
    if not folder.is_dir():
        return []
    return sorted(Path(entry.path) for entry in os.scandir(folder) if _TEMPORARY.fullmatch(entry.name))


def remove_strays(folder: Path) -> int:
    """Remove the temporary files in `folder` that killed writers left, and give how many those were.

    A file that a living process writes is locked, and stays.
    """
    return sum(map(remove_abandoned, strays(folder)))


@contextmanager
def no_space_told(target: Path) -> Iterator[None]:
    """Turn the system's word that the disk is full into an error that names the file.

    Raises:
        NoSpaceError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        if (why := _no_space(error)) is None:
            raise
        remedy = f"what it held before is kept. Free space on the disk of {target.parent}, then run again"
        raise NoSpaceError(f"no space left to write {target} ({why}): {remedy}") from error


def _no_space(error: Exception) -> str | None:
    """Why a file does not fit, in the system's words; None: the error is another one."""
    number = error.errno if isinstance(error, OSError) else None
    if found := _OF_RUST.search(str(error)):
        number = int(found[1])
    elif isinstance(error, RuntimeError) and _OF_TORCH.search(str(error)):
        number = errno.ENOSPC
    return os.strerror(number) if number in _NO_SPACE and number is not None else None


def remove_abandoned(temporary: Path) -> bool:
    """Remove one of the `strays` unless a living process writes it, and say whether it was removed."""
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
        return not temporary.exists()
    with suppress(OSError), temporary.open("rb") as stream:
        _lock(stream.fileno(), strictly=True)
        temporary.unlink()
        return True
    return False


def _lock(handle: int, *, strictly: bool = False) -> None:
    """Lock an open file without waiting; a file system without locks matters only when `strictly`."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if strictly:
            raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
