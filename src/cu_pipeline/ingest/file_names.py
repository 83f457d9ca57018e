"""Finding media files whose names a feed spells otherwise than the disk does."""

import os
import unicodedata
from pathlib import Path

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.paths import from_stored, to_stored


class FileNames:
    """The names of files on the disk; each folder is listed once, and only when a file is not found by its name."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, str]] = {}

    def find(self, stored: str) -> str:
        """Find the file that a feed's path means.

        Names that other systems wrote in another Unicode form (NFC, NFD), or with backslashes between folders, are
        those of the same file. Names in other letters' case are not.

        Args:
            stored: the path in the form that tables keep.

        Returns:
            The path as it is on the disk, in the same form.

        Raises:
            BadClipError: `missing`; it names a file whose name differs in case only.
        """
        if _exists(stored):
            return stored
        for spelling in (stored, stored.replace("\\", "/")):
            found = self._walk(Path(os.path.abspath(from_stored(spelling))))  # noqa: PTH100 - links are not followed
            if found is None:
                continue
            if _canonical(to_stored(found)) == _canonical(to_stored(from_stored(spelling))):
                return to_stored(found)
            seen = f"there is no such file; {to_stored(found)!r} is there, whose name has other capital letters"
            raise BadClipError(Reason.MISSING, seen)
        raise BadClipError(Reason.MISSING, "there is no such file")

    def _walk(self, wanted: Path) -> Path | None:
        """Follow a path from the root, by the name on the disk that is nearest where a part is not there."""
        place = Path(wanted.anchor)
        for part in wanted.relative_to(place).parts:
            name = part if _exists(str(place / part)) else self._nearest(place, part)
            if name is None:
                return None
            place /= name
        return place

    def _nearest(self, folder: Path, name: str) -> str | None:
        if folder not in self._names:
            self._names[folder] = _spellings(folder)
        names = self._names[folder]
        return names.get(_canonical(name)) or names.get(_canonical(name).casefold())


def _exists(stored: str) -> bool:
    try:
        return from_stored(stored).exists()
    except (OSError, ValueError):  # no name of a file: too long, or with a NUL
        return False


def _spellings(folder: Path) -> dict[str, str]:
    """List the names in a folder by their NFC form, and by that without case."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return {}
    return {_canonical(name).casefold(): name for name in names} | {_canonical(name): name for name in names}


def _canonical(name: str) -> str:
    return unicodedata.normalize("NFC", name)
