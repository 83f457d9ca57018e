"""Files that hold a manifest, each read as one dictionary a row."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

from cu_pipeline.core.errors import ManifestError

Record = dict[str, Any]

PROBLEM: Final = "_problem"
"""Key that says what is wrong with a row that could not be read."""

REASON: Final = "_reason"
"""Key with the code of a row's problem where that is not `bad_row`."""

SOURCE: Final = "_source"
"""Key that says which source a row comes from."""


def read_csv(stream: IO[bytes]) -> Iterator[Record]:
    """Read comma-, semicolon- or tab-separated text with a header; byte order marks are understood."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    lines = io.TextIOWrapper(stream, encoding=_encoding(stream), newline="")
    try:
        yield from _read_lines(lines)
    finally:
        lines.detach()


def _read_lines(lines: io.TextIOWrapper) -> Iterator[Record]:
    header_line = lines.readline()
    delimiter = max(",;\t", key=header_line.count)
    header = [name.strip() for name in next(csv.reader([header_line], delimiter=delimiter), [])]
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise ManifestError(f"columns {repeated} stand twice in the header: give each column once")
    for fields in csv.reader(lines, delimiter=delimiter):
        if not fields:
            continue
        record: Record = dict(zip(header, fields, strict=False))
        if len(fields) != len(header):
            record[PROBLEM] = f"{len(fields)} fields where the header has {len(header)}"
        yield record


def read_jsonl(stream: IO[bytes]) -> Iterator[Record]:
    """Read one JSON object a line."""
    for number, line in enumerate(stream, 1):
        if not (text := line.removeprefix(b"\xef\xbb\xbf").strip()):
            continue
        try:
            record = json.loads(text)
        except ValueError as error:
            record = {PROBLEM: f"line {number} is not JSON: {error}"}
        yield record if isinstance(record, dict) else {PROBLEM: f"line {number} is not a JSON object"}


def read_parquet(stream: IO[bytes]) -> Iterator[Record]:
    """Read a Parquet file, a batch of rows at a time."""
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(stream).iter_batches():
        yield from batch.to_pylist()


FORMATS: Final[dict[str, Callable[[IO[bytes]], Iterator[Record]]]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
}
"""Readers by the file name's ending."""


def _encoding(stream: IO[bytes]) -> str:
    mark = stream.read(2)
    stream.seek(0)
    return "utf-16" if mark in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
