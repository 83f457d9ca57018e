"""Rows of comma-, semicolon- or tab-separated lines, also where quotes are not closed as RFC 4180 asks."""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

MOST_LINES: Final = 1000
"""Of one quoted cell. It bounds the work where a quote is not closed."""

_MOSTLY: Final = 0.75
"""Share of the lines of a cell that look like rows from which on a quote was forgotten rather than meant."""


class Row(NamedTuple):
    """A row, or a line that is none.

    Attributes:
        first: number of its first line in the file, from 1.
        last: number of its last line.
        cells: of the row.
        literal: whether a quote that opens a cell is taken as a character of the text, since nothing closes it.
        doubtful: whether each of its lines could be a row of its own.
    """

    first: int
    last: int
    cells: list[str]
    literal: bool = False
    doubtful: bool = False


class QuotedRows:
    """Reads rows of lines as RFC 4180 has them, from any place.

    Args:
        lines: of the file, with their endings.
        delimiter: between cells.
    """

    def __init__(self, lines: Sequence[str], delimiter: str) -> None:
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        self._lines, self._place, self._stop = lines, 0, 0
        self._reader = csv.reader(self, delimiter=delimiter, strict=True)

    def at(self, place: int) -> tuple[list[str], int] | None:
        """Read the row at a place, and over how many lines it goes; None where its quotes are not as they must be."""
        self._place, self._stop = place, min(place + MOST_LINES, len(self._lines))
        try:
            return next(self._reader), self._place - place
        except csv.Error:
            return None

    def __iter__(self) -> "QuotedRows":
        return self

    def __next__(self) -> str:
        if self._place >= self._stop:
            raise StopIteration
        self._place += 1
        return self._lines[self._place - 1]


def plain_rows(lines: Sequence[str], delimiter: str) -> list[list[str]] | None:
    """Divide lines into rows at once where each is a row by itself, as RFC 4180 has them; None where one is not.

    It gives what `split_rows` does, but for empty lines: they are rows without cells.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows if len(rows) == len(lines) else None


def split_rows(lines: Sequence[str], delimiter: str, width: int, start: int, stop: int) -> Iterator[Row]:
    """Divide lines into rows; empty lines are left out.

    A quoted cell may go over several lines. But a cell that begins with a quote which is not meant as one must not
    swallow the rows below it. So a row of several lines is taken for one only if its quotes are as RFC 4180 has
    them, if it has as many cells as the header, and if its lines are no rows by themselves. Otherwise its first line is
    read alone, with the quote as a character, and the next line begins a row.

    Args:
        lines: of the file, with their endings: at least `MOST_LINES` after each that is read, or up to its end.
        delimiter: between cells.
        width: how many cells a row has.
        start: place of the first line to read.
        stop: place before which the last row begins.
    """
    quoted, place = QuotedRows(lines, delimiter), start
    while place < stop:
        line = lines[place].rstrip("\r\n")
        place += 1
        if '"' in line:
            row = _row(lines, place, quoted, delimiter, width)
            place = row.last
            yield row
        elif line:
            yield Row(place, place, trimmed(line.split(delimiter), width))


def split_line(line: str, delimiter: str) -> list[str]:
    """Divide one line into cells; a quote that does not enclose a whole cell is a character.

    >>> split_line('a,"b, c",""d"" e,"f', ",")
    ['a', 'b, c', '""d"" e', '"f']
    """
    if '"' not in line:
        return line.split(delimiter)
    cells, place, pattern = [], 0, _cell(delimiter)
    while (match := pattern.match(line, place)) is not None:
        cells.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        if match.end() >= len(line):
            break
        place = match.end() + 1
    return cells


def _row(lines: Sequence[str], number: int, quoted: QuotedRows, delimiter: str, width: int) -> Row:
    """Read the row that begins with the line of a number, which has quotes."""
    found = quoted.at(number - 1)
    if found is not None:
        cells, last = trimmed(found[0], width), number - 1 + found[1]
        if last == number:
            return Row(number, number, cells)
        if len(cells) == width:
            several = [one for line in lines[number - 1 : last] if (one := line.rstrip("\r\n"))]
            fitting = _fitting(several, delimiter, width)
            if not _are_rows(fitting, delimiter, len(several)):
                return Row(number, last, cells, doubtful=width > 1 and len(fitting) == len(several))
    return _alone(lines[number - 1].rstrip("\r\n"), number, delimiter, width)


def _alone(line: str, number: int, delimiter: str, width: int) -> Row:
    cells = trimmed(split_line(line, delimiter), width)
    if len(cells) != width:  # such as `"Well, well" they said,pets`: a quoted part with something behind it
        lenient = trimmed(next(csv.reader([line], delimiter=delimiter)), width)
        if len(lenient) == width and line.count('"') % 2 == 0:
            cells = lenient
    return Row(number, number, cells, literal=True)


def trimmed(cells: list[str], width: int) -> list[str]:
    """Cut off the empty cells beyond the header that spreadsheets leave."""
    return cells[:width] if len(cells) > width and not any(cells[width:]) else cells


def _are_rows(fitting: Sequence[str], delimiter: str, lines: int) -> bool:
    """Whether so many lines look like rows rather than like prose, in which a blank follows a comma."""
    alike = sum(not _is_prose(line, delimiter) for line in fitting)
    return _are_most(alike, lines)


def _are_most(some: int, lines: int) -> bool:
    return some == lines or (lines > 3 and some >= _MOSTLY * lines)


def _fitting(lines: Sequence[str], delimiter: str, width: int) -> list[str]:
    """Find the lines that have as many cells as the header; none if they are few, or where there is one column."""
    enough = [line for line in lines if line.count(delimiter) >= width - 1]
    if width < 2 or not _are_most(len(enough), len(lines)):
        return []
    return [line for line in enough if len(trimmed(split_line(line, delimiter), width)) == width]


def _is_prose(line: str, delimiter: str) -> bool:
    return any(cell[:1].isspace() for cell in split_line(line, delimiter)[1:])


@cache
def _cell(delimiter: str) -> re.Pattern[str]:
    sign = re.escape(delimiter)
    return re.compile(rf'"((?:[^"]|"")*)"(?={sign}|\Z)|([^{sign}]*)')
