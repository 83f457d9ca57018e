"""CSV and TSV files as people, scripts and spreadsheets write them."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.csv_rows import QuotedRows, Row, split_line, split_rows
from cu_pipeline.ingest.text_files import text_lines

DELIMITERS: Final = ",;\t"

_SEPARATOR: Final = re.compile(r'"?sep=(?P<sign>[^"\r\n])"?[,;\t]*\s*', re.IGNORECASE)
_SHOWN: Final = 10
_log = logging.getLogger(__name__)


def read_csv(stream: IO[bytes], name: str) -> Iterator[tuple[dict[str, str], str]]:
    """Read comma-, semicolon- or tab-separated text with a header, in UTF-8 or UTF-16, with or without its mark.

    Excel's habits are known: a first line `sep=;` names the delimiter, columns without a name and without a value are
    left out. Those without a name but with values are left out too, with a warning.

    Args:
        stream: the file.
        name: of the file, for warnings.

    Yields:
        Of each row its cells by column, and what is wrong with it in words.

    Raises:
        ManifestError: a column's name stands twice.
    """
    lines = text_lines(stream)
    header, delimiter, start = _header(lines)
    if repeated := sorted({one for one in header if one and header.count(one) > 1}):
        raise ManifestError(f"columns {repeated} stand twice in the header: give each column once")
    notes = _Notes(header)
    for row in split_rows(lines, delimiter, len(header), start):
        notes.see(row)
        record = {one: cell for one, cell in zip(header, row.cells, strict=False) if one}
        yield record, "" if len(row.cells) == len(header) else _problem(row, len(header))
    notes.tell(name)


def _header(lines: Sequence[str]) -> tuple[list[str], str, int]:
    """Find the names of columns, the delimiter, and the place of the line below."""
    place = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
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

    def see(self, row: Row) -> None:
        if row.literal and len(row.cells) == len(self.header):
            self.literal.append(row.first)
        if row.doubtful:
            self.doubtful.append(row)
        for place in self._values:
            self._values[place] += place < len(row.cells) and bool(row.cells[place].strip())

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
