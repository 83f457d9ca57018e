"""The service's API keys: a file of their hashes, from which no key can be had again."""

import hashlib
import hmac
import json
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, Field, ValidationError

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.service.security.rates import WrittenRate

PREFIX: Final = "cup_"
"""What every key begins with, for tools that look for secrets where none should be."""
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

_RANDOM_BYTES: Final = 32
_LONGEST: Final = 256
_PRIVATE: Final = 0o600
_FORBIDDEN: Final = stat.S_IWGRP | stat.S_IRWXO
_LOCK_TIMEOUT_S: Final = 10


class KeyScope(StrEnum):
    """What a key allows."""

    CLASSIFY = "classify"
    FEEDBACK = "feedback"
    METRICS = "metrics"
    ADMIN = "admin"


class ApiKey(Options):
    """What is kept of a key.

    Attributes:
        name: of who uses it; two keys may have one name while one replaces the other.
        sha256: of the key, in hex.
        scopes: what it allows.
        rate: that all keys of its name together are held to; None: the service's.
        created: when.
        expires: from when on it is refused; None: never.
    """

    name: str = Field(pattern=f"^{NAME}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", repr=False)
    scopes: tuple[KeyScope, ...] = Field(min_length=1)
    rate: WrittenRate | None = None
    created: AwareDatetime
    expires: AwareDatetime | None = None

    @property
    def id(self) -> str:
        """What tells two keys of one name apart."""
        return self.sha256[:8]

    def valid_at(self, moment: datetime) -> bool:
        """Whether the key has not expired."""
        return self.expires is None or moment < self.expires


class KeyTable(Options):
    """The file's content."""

    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()


@dataclass(frozen=True)
class NewKey:
    """What a new key shall be; scopes and rate that are None are those of the newest valid key of its name."""

    name: str
    scopes: tuple[KeyScope, ...] | None = None
    rate: str | None = None
    lifetime: timedelta | None = None


DEFAULT_SCOPES: Final = (KeyScope.CLASSIFY, KeyScope.FEEDBACK)


def find_key(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """Find whose key was presented, in a time that does not tell how much of it was right.

    Args:
        keys: that there are.
        presented: what the caller sent, of any length.
    """
    if len(presented) > _LONGEST:
        return None
    digest, found = _digest(presented), None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read the file of keys.

    Raises:
        ConfigurationError: it is damaged, cannot be read, or others may read it.
        FileNotFoundError: there is none.
    """
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(
            f"the API keys in {path} cannot be read: {error.strerror}. Let the service's user read the file"
        ) from error
    if mode & _FORBIDDEN:
        raise ConfigurationError(
            f"the API keys in {path} are open to others (mode {stat.S_IMODE(mode):04o}); allowed are 0600, 0400, 0640 "
            f"and 0440: chmod 600 {path}"
        )
    try:
        return KeyTable.model_validate_json(content).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(
            f"the API keys in {path} are damaged: {place}: {first['msg']}. Bring back a copy, or remove the file and "
            "make new keys: kedro keys create NAME"
        ) from error


def create_key(path: Path, new: NewKey, now: datetime) -> tuple[str, ApiKey]:
    """Make a key and keep its hash.

    Returns:
        The key itself, which is kept nowhere, and what is kept of it.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    with _edited(path) as keys:
        former = [key for key in keys if key.name == new.name and key.valid_at(now)]
        scopes = new.scopes or (former[-1].scopes if former else DEFAULT_SCOPES)
        key = ApiKey(
            name=new.name,
            sha256=_digest(token),
            scopes=tuple(scope for scope in KeyScope if scope in scopes),
            rate=new.rate or (former[-1].rate if former else None),
            created=now,
            expires=now + new.lifetime if new.lifetime else None,
        )
        keys.append(key)
    return token, key


def revoke_keys(path: Path, name: str, *, keep_newest: bool = False) -> list[ApiKey]:
    """Remove the keys of a name.

    Args:
        path: of the file.
        name: of the keys.
        keep_newest: remove all but the last one that was made.

    Returns:
        What was removed.

    Raises:
        ConfigurationError: no key has that name, or the file cannot be used.
    """
    with _edited(path) as keys:
        named = [key for key in keys if key.name == name]
        if not named:
            known = ", ".join(sorted({key.name for key in keys})) or "none"
            raise ConfigurationError(f"no key is named {name!r}; there are: {known}. `kedro keys list` shows them")
        gone = named[:-1] if keep_newest else named
        keys[:] = [key for key in keys if key not in gone]
    return gone


def write_keys(path: Path, keys: Iterable[ApiKey]) -> None:
    """Write a file of keys atomically; see `create_key` for adding one while others do."""
    table = KeyTable(keys=tuple(keys)).model_dump(mode="json")
    with atomic_path(path, _PRIVATE) as temporary:
        temporary.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _edited(path: Path) -> Iterator[list[ApiKey]]:
    """Change the keys while nobody else does; nothing is written when the block raises."""
    from filelock import FileLock, Timeout  # the service, which only reads, goes without

    lock = FileLock(path.with_name(f".{path.name}.lock"), mode=_PRIVATE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock.acquire(timeout=_LOCK_TIMEOUT_S):
            keys = _known(path)
            yield keys
            write_keys(path, keys)
    except Timeout as error:
        raise ConfigurationError(
            f"another command has held {lock.lock_file} for {_LOCK_TIMEOUT_S} s: try again when it has ended"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"the API keys in {path} cannot be written: {error.strerror or error}") from error


def _known(path: Path) -> list[ApiKey]:
    try:
        return list(read_keys(path))
    except FileNotFoundError:
        return []


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).hexdigest()


def utc_now() -> datetime:
    """The time that keys are judged by."""
    return datetime.now(UTC)
