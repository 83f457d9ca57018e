"""What was erased, told by salted hashes alone, so that no feed brings it back.

The file `erased.jsonl` in the project's folder travels with git, as the snapshots do. Who has a name and the file can
tell whether the name was erased; nobody can read names from it.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.errors import Reason, StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.ingest.manifest import PROBLEM, REASON

CLIP: Final = "clip"
CREATOR: Final = "creator"
CONTENT: Final = "content"

REMEDY: Final = "it was erased; `kedro erase --lift` lets it come again"

_SHOWN: Final = 12


@dataclass(frozen=True)
class Tombstone:
    """One thing that was erased.

    Attributes:
        kind: clip, creator or content.
        hash: HMAC-SHA-256 of its id, name or hash under the file's salt.
        salt: of the file, the same in all of its lines.
        at: when, ISO 8601.
        reason: what was given as such.
    """

    kind: str
    hash: str
    salt: str
    at: str
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Write it for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Tombstone":
        """Read what `as_json` wrote."""
        return cls(**record)


@dataclass(frozen=True)
class Tombstones:
    """All that was erased.

    Attributes:
        entries: in order.
    """

    entries: tuple[Tombstone, ...] = ()

    @property
    def salt(self) -> str:
        """That hashes are made with; a new one where nothing was erased yet."""
        return self.entries[0].salt if self.entries else token_hex(16)

    def knows(self, kind: str, name: str) -> bool:
        """Whether something was erased."""
        return bool(name) and bool(self._by_kind) and hashed(self._salt, kind, name) in self._by_kind.get(kind, ())

    def names(self, clip_id: str, creator: str) -> bool:
        """Whether a clip was erased, by its id or its creator."""
        return bool(self.entries) and (self.knows(CLIP, clip_id) or self.knows(CREATOR, creator))

    def short(self, kind: str, name: str) -> str:
        """What stands for it where it must not be named."""
        return f"erased-{hashed(self._salt, kind, name)[:_SHOWN]}"

    @cached_property
    def _salt(self) -> str:
        return self.salt

    @cached_property
    def _by_kind(self) -> dict[str, set[str]]:
        kinds: dict[str, set[str]] = {}
        for one in self.entries:
            kinds.setdefault(one.kind, set()).add(one.hash)
        return kinds


NOTHING_ERASED: Final = Tombstones()


class TombstoneFile:
    """The file as a dataset of the catalog reads it.

    Args:
        path: of it; there may be none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Tombstones:
        """Read what was erased."""
        return read_tombstones(self._path)

    def append(self, records: Iterable[Any], /) -> None:
        """`kedro erase` alone writes it."""
        raise NotImplementedError(f"{self._path} is written by `kedro erase`")


def hashed(salt: str, kind: str, name: str) -> str:
    """Hash a name; creators in the one spelling that tables of clips have."""
    plain = clean_name(name) if kind == CREATOR else name.strip()
    return hmac.new(bytes.fromhex(salt), f"{kind}:{plain}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def read_tombstones(path: Path) -> Tombstones:
    """Read the file; nothing was erased where there is none.

    Raises:
        StoreError: a line is damaged.
    """
    try:
        return Tombstones(tuple(Tombstone.from_json(json.loads(line)) for line in read_lines(path)))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): take back its last version from git") from error


def bury(
    path: Path, *, clips: Iterable[str], creators: Iterable[str], contents: Iterable[str], at: str, reason: str
) -> None:
    """Add what is erased to the file, each once."""
    known = read_tombstones(path)
    salt = known.salt
    told = {(one.kind, one.hash) for one in known.entries}
    named = [(CLIP, one) for one in clips] + [(CREATOR, one) for one in creators] + [(CONTENT, one) for one in contents]
    fresh = dict.fromkeys((kind, hashed(salt, kind, name)) for kind, name in sorted(named) if name)
    lines = [Tombstone(*one, salt, at, reason) for one in fresh if one not in told]
    if lines:
        append_lines(path, (json.dumps(one.as_json()) for one in lines))


def lift(path: Path, *, clips: Collection[str] = (), creators: Collection[str] = ()) -> int:
    """Take tombstones away, so that feeds may bring those clips and creators again; give how many were.

    With them go those of the contents of the same erasure, and of its clips when none of its creators is left.
    """
    known = read_tombstones(path)
    named = [(CLIP, one) for one in clips] + [(CREATOR, one) for one in creators]
    gone = {(kind, hashed(known.salt, kind, name)) for kind, name in named}
    lifted = {one.at for one in known.entries if (one.kind, one.hash) in gone}
    of_creators = {one.at for one in known.entries if one.kind == CREATOR}
    still = {one.at for one in known.entries if one.kind == CREATOR and (one.kind, one.hash) not in gone}
    whole = (lifted & of_creators) - still
    kept = [
        one
        for one in known.entries
        if (one.kind, one.hash) not in gone and one.at not in whole and not (one.kind == CONTENT and one.at in lifted)
    ]
    if len(kept) < len(known.entries):
        write_text(path, "".join(json.dumps(one.as_json()) + "\n" for one in kept))
    return len(known.entries) - len(kept)


def without_erased(rows: pd.DataFrame, tombstones: Tombstones) -> pd.DataFrame:
    """Put a row that says nothing but that it is refused in the place of each that was erased.

    Args:
        rows: a feed's, as text.
        tombstones: what was erased.
    """
    if not tombstones.entries or rows.empty:
        return rows
    empty = pd.Series("", rows.index)
    clips, creators = (rows.get(name, empty).astype(str) for name in ("clip_id", "creator"))
    creators_gone = creators.map({name: tombstones.knows(CREATOR, name) for name in set(creators)}).astype(bool)
    gone = creators_gone | clips.map(lambda name: tombstones.knows(CLIP, name)).astype(bool)
    gone |= rows.get("path", empty).map(lambda path: names_content(path, tombstones)).astype(bool)
    if not gone.any():
        return rows
    rows = rows.copy()
    names = [
        tombstones.short(CREATOR, f"{who}/{clip}") if by_creator else tombstones.short(CLIP, clip)
        for clip, who, by_creator in zip(clips[gone], creators[gone], creators_gone[gone], strict=True)
    ]
    for column in rows.columns:
        if column != "_source":
            rows.loc[gone, column] = ""
    rows.loc[gone, "clip_id"] = names
    for column, said in ((REASON, Reason.ERASED.value), (PROBLEM, REMEDY)):
        if column not in rows:
            rows[column] = ""
        rows.loc[gone, column] = said
    return rows


def names_content(path: str, tombstones: Tombstones) -> bool:
    """Whether a copy that is named by its content has one that was erased."""
    return tombstones.knows(CONTENT, PurePosixPath(path).stem) if path and "://" not in path else False


def drop_copies(paths: Collection[str], folders: Collection[str]) -> int:
    """Remove the files of refused rows from folders that the project fills itself, and count them.

    Args:
        paths: of media that no row has any longer.
        folders: as tables keep paths.
    """
    removed = 0
    for path in paths:
        file = from_stored(path)
        if "://" not in path and any(to_stored(file).startswith(f"{folder}/") for folder in folders) and file.is_file():
            file.unlink()
            removed += 1
    return removed
