"""CSV and TSV files as people, scripts and spreadsheets write them."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Final

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.csv_rows import MOST_LINES, QuotedRows, Row, plain_rows, split_line, split_rows, trimmed
from cu_pipeline.ingest.text_files import text_lines

DELIMITERS: Final = ",;\t"

_SEPARATOR: Final = re.compile(r'"?sep=(?P<sign>[^"\r\n])"?[,;\t]*\s*', re.IGNORECASE)
_SHOWN: Final = 10
_log = logging.getLogger(__name__)


def read_csv(stream: IO[bytes], name: str) -> Iterator[tuple[dict[str, list[str]], list[str]]]:
    """Read comma-, semicolon- or tab-separated text with a header, in UTF-8 or UTF-16, with or without its mark.

    Excel's habits are known: a first line `sep=;` names the delimiter, columns without a name and without a value are
    left out. Those without a name but with values are left out too, with a warning. A file is never held whole.

    Args:
        stream: the file.
        name: of the file, for warnings.

    Yields:
        Of some rows at a time the cells by column, absent ones "", and what is wrong with each row in words.

    Raises:
        ManifestError: a column's name stands twice.
    """
    window = _Window(text_lines(stream))
    header, delimiter, start = _header(window)
    if repeated := sorted({one for one in header if one and header.count(one) > 1}):
        raise ManifestError(f"columns {repeated} stand twice in the header: give each column once")
    notes = _Notes(header)
    window.drop(start)
    while window.fill(LINES + MOST_LINES):
        rows = _rows(window, delimiter, len(header))
        notes.see(rows)
        yield (
            _columns(rows, header),
            ["" if len(row.cells) == len(header) else _problem(row, len(header)) for row in rows],
        )
    notes.tell(name)


LINES: Final = 4096
"""Lines that are divided into rows together."""


class _Window:
    """Lines of a file that are at hand.

    Args:
        lines: of the file.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines: list[str] = []
        self.before = 0
        self._rest = lines

    def fill(self, count: int) -> bool:
        """Read on until so many lines are at hand, or the file ends; tell whether any is."""
        self.lines += islice(self._rest, max(0, count - len(self.lines)))
        return bool(self.lines)

    def drop(self, count: int) -> None:
        """Let go of the first lines."""
        del self.lines[:count]
        self.before += count


def _rows(window: _Window, delimiter: str, width: int) -> list[Row]:
    """Read the rows that begin in the next lines, and let go of those."""
    stop = min(LINES, len(window.lines))
    plain = plain_rows(window.lines[:stop], delimiter)
    if plain is None:
        rows = list(split_rows(window.lines, delimiter, width, 0, stop))
        last = max(stop, rows[-1].last) if rows else stop
        rows = [row._replace(first=row.first + window.before, last=row.last + window.before) for row in rows]
    else:
        numbered = enumerate(plain, window.before + 1)
        rows = [Row(number, number, trimmed(cells, width)) for number, cells in numbered if cells]
        last = stop
    window.drop(last)
    return rows


def _columns(rows: Sequence[Row], header: Sequence[str]) -> dict[str, list[str]]:
    width = len(header)
    cells = [row.cells if len(row.cells) == width else [*row.cells, *[""] * width][:width] for row in rows]
    turned = zip(*cells, strict=True) if cells else [()] * width
    return {name: list(column) for name, column in zip(header, turned, strict=True) if name}


def _header(window: _Window) -> tuple[list[str], str, int]:
    """Find the names of columns, the delimiter, and the place of the line below."""
    place = 0
    while window.fill(place + 1) and len(window.lines) > place and not window.lines[place].strip():
        place += 1
    window.fill(place + MOST_LINES + 2)
    lines = window.lines
    told = _SEPARATOR.fullmatch(lines[place]) if place < len(lines) else None
    place += told is not None
    if place >= len(lines):
        return [], DELIMITERS[0], place
    delimiter = told["sign"] if told else max(DELIMITERS, key=lines[place].count)
    cells, height = QuotedRows(lines, delimiter).at(place) or (split_line(lines[place].rstrip("\r\n"), delimiter), 1)
    return [clean_name(cell) for cell in cells], delimiter, place + height


def _problem(row: Row, width: int) -> str:
    told = f"line {row.first}: {len(row.cells)} fields where the header has {width}"
    if not row.literal:
        return told
    remedy = 'Remedy: close the quote, or write "" for each quote inside a quoted cell'
    return f"{told}; a quote opens a cell and is not closed as it must be. {remedy}"


@dataclass
class _Notes:
    """What a user should know of how a file was read.

    Args:
        header: names of columns, "" for none.
    """

    header: list[str]
    literal: list[int] = field(default_factory=list)
    doubtful: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._values = {place: 0 for place, name in enumerate(self.header) if not name}

    def see(self, rows: Sequence[Row]) -> None:
        self.literal += [row.first for row in rows if row.literal and len(row.cells) == len(self.header)]
        self.doubtful += [row for row in rows if row.doubtful]
        for place in self._values:
            self._values[place] += sum(place < len(row.cells) and bool(row.cells[place].strip()) for row in rows)

    def tell(self, name: str) -> None:
        if self.literal:
            _log.warning(
                '%s: a quote opens a cell of %d lines and is not closed as it must be: it is taken as part of the text '
                'and each line as a row (lines %s). Remedy, if that is wrong: close the quote, and write "" for each '
                "quote inside a quoted cell",
                name, len(self.literal), _listed(self.literal),
            )  # fmt: skip
        if self.doubtful:
            _log.warning(
                "%s: %d rows go over several lines, each of which could be a row of its own (from lines %s). Remedy, "
                "if they are: close the quotes there",
                name, len(self.doubtful), _listed([row.first for row in self.doubtful]),
            )  # fmt: skip
        if filled := [f"{_letters(place)}: {number} values" for place, number in self._values.items() if number]:
            columns = "1 column has" if len(filled) == 1 else f"{len(filled)} columns have"
            _log.warning(
                "%s: %s no name and are left out (%s). Remedy: give a name in the header to what is of use",
                name, columns, ", ".join(filled[:_SHOWN]),
            )  # fmt: skip


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return ", ".join(map(str, numbers[:_SHOWN])) + more


def _letters(place: int) -> str:
    """Name a column as spreadsheets do.

    >>> _letters(0), _letters(25), _letters(26)
    ('A', 'Z', 'AA')
    """
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
