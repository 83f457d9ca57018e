"""Rows of comma-, semicolon- or tab-separated lines, also where quotes are not closed as RFC 4180 asks."""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

MOST_LINES: Final = 1000
"""Of one quoted cell. It bounds the work where a quote is not closed."""

_MOSTLY: Final = 0.75
"""Share of the lines of a cell that look like rows from which on a quote was forgotten rather than meant."""


@dataclass(frozen=True)
class Row:
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


def split_rows(lines: Sequence[str], delimiter: str, width: int, start: int = 0) -> Iterator[Row]:
    """Divide lines into rows; empty lines are left out.

    A quoted cell may go over several lines. But a cell that begins with a quote which is not meant as one must not
    swallow the rows below it. So a row of several lines is taken for one only if its quotes are as RFC 4180 has
    them, if it has as many cells as the header, and if its lines are no rows by themselves. Otherwise its first line is
    read alone, with the quote as a character, and the next line begins a row.

    Args:
        lines: of the whole file, with their endings.
        delimiter: between cells.
        width: how many cells a row has.
        start: place of the first line to read.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    place = start
    while place < len(lines):
        line = lines[place].rstrip("\r\n")
        if not line:
            place += 1
            continue
        row = _row(lines, place, line, delimiter, width)
        yield row
        place = row.last


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


def quoted_row(lines: Sequence[str], place: int, delimiter: str) -> tuple[list[str], int] | None:
    """Read a row as RFC 4180 has it, and over how many lines it goes; None where its quotes are not so."""
    ahead = (lines[number] for number in range(place, min(place + MOST_LINES, len(lines))))
    reader = csv.reader(ahead, delimiter=delimiter, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return None


def _row(lines: Sequence[str], place: int, line: str, delimiter: str, width: int) -> Row:
    number = place + 1
    if '"' not in line:
        return Row(number, number, _trimmed(line.split(delimiter), width))
    quoted = quoted_row(lines, place, delimiter)
    if quoted is not None and quoted[1] == 1:
        return Row(number, number, _trimmed(quoted[0], width))
    if quoted is not None and len(_trimmed(quoted[0], width)) == width:
        several = [one for one in lines[place : place + quoted[1]] if one.strip("\r\n")]
        if not _are_rows(several, delimiter, width):
            doubtful = width > 1 and all(_fits(one, delimiter, width) for one in several)
            return Row(number, place + quoted[1], _trimmed(quoted[0], width), doubtful=doubtful)
    return _alone(line, number, delimiter, width)


def _alone(line: str, number: int, delimiter: str, width: int) -> Row:
    cells = _trimmed(split_line(line, delimiter), width)
    if len(cells) != width:  # such as `"Well, well" they said,pets`: a quoted part with something behind it
        lenient = _trimmed(next(csv.reader([line], delimiter=delimiter)), width)
        if len(lenient) == width and line.count('"') % 2 == 0:
            cells = lenient
    return Row(number, number, cells, literal=True)


def _trimmed(cells: list[str], width: int) -> list[str]:
    """Cut off the empty cells beyond the header that spreadsheets leave."""
    return cells[:width] if len(cells) > width and not any(cells[width:]) else cells


def _are_rows(lines: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether lines look like rows rather than like prose, in which a blank follows a comma."""
    if width < 2:
        return False
    alike = [_fits(line, delimiter, width) and not _is_prose(line, delimiter) for line in lines]
    return all(alike) or (len(alike) > 3 and sum(alike) >= _MOSTLY * len(alike))


def _fits(line: str, delimiter: str, width: int) -> bool:
    return len(_trimmed(split_line(line.rstrip("\r\n"), delimiter), width)) == width


def _is_prose(line: str, delimiter: str) -> bool:
    return any(cell[:1].isspace() for cell in split_line(line.rstrip("\r\n"), delimiter)[1:])


@cache
def _cell(delimiter: str) -> re.Pattern[str]:
    sign = re.escape(delimiter)
    return re.compile(rf'"((?:[^"]|"")*)"(?={sign}|\Z)|([^{sign}]*)')
