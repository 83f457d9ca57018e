"""Lines that are no record, or that the database cannot hold: kept to be looked at, counted by every reader."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

FILE: Final = "refused.lines"
MOST_BYTES: Final = 16 * 2**20


def keep_refused(folder: Path, lines: Iterable[bytes]) -> None:
    """Add lines, as long as the file is not too large; a crash may have them added twice."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    with path.open("ab") as stream:
        if stream.tell() < MOST_BYTES:
            stream.writelines(line.rstrip(b"\n") + b"\n" for line in lines)


def count_refused(folder: Path) -> int:
    """Count the lines that are kept."""
    path = folder / FILE
    if not path.is_file():
        return 0
    with path.open("rb") as stream:
        return sum(1 for _ in stream)
