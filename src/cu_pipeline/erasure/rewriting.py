"""Taking what is to be erased out of files, by their form."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.erasure.identities import Identities, strings_of
from cu_pipeline.erasure.pseudonyms import Pseudonyms

PARQUET: Final = b"PAR1"
SQLITE: Final = b"SQLite format 3\0"
PAGES: Final = frozenset({".html", ".md"})


@dataclass(frozen=True)
class Rewritten:
    """What became of a file.

    Attributes:
        count: rows, lines, entries or places that tell of what is to be erased.
        content: without them; None where the file goes as a whole.
    """

    count: int
    content: bytes | None


def rewritten(content: bytes, suffix: str, wanted: Identities, pseudonyms: Pseudonyms | None) -> Rewritten:
    """Take what is to be erased out of a file's content.

    Args:
        content: of the file; its form is told by its first bytes, and by its name's ending.
        suffix: the ending.
        wanted: what is to be erased.
        pseudonyms: to put in its place where the rest of a record is needed; None: records go.
    """
    if content.startswith(PARQUET):
        return _parquet(content, wanted, pseudonyms)
    if suffix in {".jsonl", ".ndjson"}:
        return _json_lines(content, wanted, pseudonyms)
    if (text := _text(content)) is None:
        return _binary(content, wanted)
    if suffix == ".csv":
        return _csv(text, wanted)
    if suffix == ".log":
        return _lines(content, wanted)
    if (parsed := _parsed(text)) is not None:
        return _json(parsed, content, wanted, pseudonyms)
    if suffix in PAGES:
        count = count_in(content, wanted, pages=True)
        return Rewritten(count, None if count else content)
    return _masked(content, wanted, pseudonyms)


def count_in(content: bytes, wanted: Identities, *, pages: bool = False) -> int:
    """Count the places of a file's bytes that tell of what is to be erased; of a page its captions too."""
    found = sum(1 for _ in wanted.needles.find(content))
    if not pages:
        return found
    import html

    long = [one for one in wanted.captions if len(one) >= _LONG]
    return found + sum(content.count(html.escape(one, quote=False).encode("utf-8", "replace")) for one in long)


_LONG: Final = 24
"""Characters from which a caption is told from others by itself."""


def _text(content: bytes) -> str | None:
    if b"\0" in content[:4096]:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _parsed(text: str) -> Any:
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _binary(content: bytes, wanted: Identities) -> Rewritten:
    count = count_in(content, wanted)
    return Rewritten(count, None if count else content)


def _parquet(content: bytes, wanted: Identities, pseudonyms: Pseudonyms | None) -> Rewritten:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        table = file.read()
    except (pa.ArrowException, OSError):
        return _binary(content, wanted)
    hit = pa.array([False] * len(table), pa.bool_())
    for place, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            values = table.column(place).cast(column.type.value_type)
        else:
            values = table.column(place)
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            continue
        touched = wanted.touched([one for one in pc.unique(values).to_pylist() if one], column.name)
        if not touched:
            continue
        mask = pc.is_in(values, value_set=pa.array(sorted(touched), values.type))
        hit = pc.or_(hit, mask.combine_chunks())
        if pseudonyms is not None:
            given = [pseudonyms.of(one) if known else one
                     for one, known in zip(values.to_pylist(), mask.to_pylist(), strict=True)]  # fmt: skip
            table = table.set_column(place, column, pa.array(given, values.type))
    count = int(pc.sum(hit).as_py() or 0)
    if not count:
        return Rewritten(0, content)
    if pseudonyms is not None and "key" in table.column_names:  # a ledger's key is made of what its row says
        keys = [pseudonyms.of(one) if known else one
                for one, known in zip(table.column("key").to_pylist(), hit.to_pylist(), strict=True)]  # fmt: skip
        place = table.column_names.index("key")
        table = table.set_column(place, table.schema.field(place), pa.array(keys, table.schema.field(place).type))
    kept = table if pseudonyms is not None else table.filter(pc.invert(hit))
    stream = io.BytesIO()
    compression = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "snappy"
    pq.write_table(kept, stream, compression=str(compression).lower().replace("uncompressed", "none"))
    return Rewritten(count, stream.getvalue())


def _csv(text: str, wanted: Identities) -> Rewritten:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows:
        return Rewritten(0, text.encode())
    hit: set[int] = set()
    for place, name in enumerate(rows[0]):
        column = [row[place] if place < len(row) else "" for row in rows[1:]]
        touched = wanted.touched(filter(None, column), name)
        hit |= {number for number, value in enumerate(column) if value in touched}
    if not hit:
        return Rewritten(0, text.encode())
    stream = io.StringIO(newline="")
    ending = "\r\n" if "\r\n" in text else "\n"
    writer = csv.writer(stream, lineterminator=ending)
    writer.writerow(rows[0])
    writer.writerows(row for number, row in enumerate(rows[1:]) if number not in hit)
    return Rewritten(len(hit), stream.getvalue().encode())


def _lines(content: bytes, wanted: Identities) -> Rewritten:
    lines = content.splitlines(keepends=True)
    kept = [line for line in lines if not any(True for _ in wanted.needles.find(line))]
    return Rewritten(len(lines) - len(kept), b"".join(kept))


def _masked(content: bytes, wanted: Identities, pseudonyms: Pseudonyms | None) -> Rewritten:
    """Put pseudonyms, or nothing, where a text names what is to be erased."""
    places = list(wanted.needles.find(content))
    parts, end = [], 0
    for place, needle in places:
        if place >= end:
            said = pseudonyms.of(needle.decode()).encode() if pseudonyms else b""
            parts += [content[end:place], said]
            end = place + len(needle)
    return Rewritten(len(places), b"".join([*parts, content[end:]]))


def _json(parsed: Any, content: bytes, wanted: Identities, pseudonyms: Pseudonyms | None) -> Rewritten:
    touched = _touched(strings_of(parsed), wanted)
    if not touched:
        return Rewritten(0, content)
    cleaned, count = _cleaned(parsed, touched, pseudonyms)
    indent = 2 if b"\n  " in content or b'\n "' in content else None
    text = json.dumps(cleaned, indent=indent, ensure_ascii=content.isascii())
    return Rewritten(count, (text + ("\n" if content.endswith(b"\n") else "")).encode())


def _json_lines(content: bytes, wanted: Identities, pseudonyms: Pseudonyms | None) -> Rewritten:
    """Lines that cannot be read go where they hold something that is to be erased."""
    lines = content.split(b"\n")
    unread: list[int] = []
    records: dict[int, Any] = {}
    for number, line in enumerate(lines):
        try:
            records[number] = json.loads(line)
        except ValueError:
            unread.append(number)
    touched = _touched((pair for one in records.values() for pair in strings_of(one)), wanted)
    dropped = {number for number in unread if count_in(lines[number], wanted)}
    count = len(dropped)
    if touched:
        for number, record in records.items():
            cleaned, found = _cleaned([record], touched, pseudonyms)
            if not found:
                continue
            count += found
            if cleaned:
                ordered = lines[number].startswith(b"{") and list(record) == sorted(record)
                told = json.dumps(cleaned[0], sort_keys=ordered, ensure_ascii=lines[number].isascii())
                lines[number] = told.encode()
            else:
                dropped.add(number)
    if not count:
        return Rewritten(0, content)
    return Rewritten(count, b"\n".join(line for number, line in enumerate(lines) if number not in dropped))


Touched = dict[str, set[str]]
"""Values by the name that they stand under."""


def _touched(pairs: Iterable[tuple[str, str]], wanted: Identities) -> Touched:
    by_name: dict[str, set[str]] = defaultdict(set)
    for name, value in pairs:
        by_name[name].add(value)
    found = {name: wanted.touched(values, name) for name, values in by_name.items()}
    return {name: values for name, values in found.items() if values}


_GONE: Final = object()


def _cleaned(value: Any, touched: Touched, pseudonyms: Pseudonyms | None) -> tuple[Any, int]:
    """Take values out of a JSON value: the innermost item of a list that has one goes, else the entry itself."""
    if pseudonyms is not None:
        return _renamed(value, touched, pseudonyms.of, alone=True)
    cleaned, count = _pruned(value, touched, "")
    return ("" if cleaned is _GONE else cleaned), count


def _pruned(value: Any, touched: Touched, name: str, *, listed: bool = False) -> tuple[Any, int]:
    if isinstance(value, str):
        return (_GONE, 1) if value in touched.get(name, ()) else (value, 0)
    if isinstance(value, list):
        done = [_pruned(inner, touched, name, listed=True) for inner in value]
        return [one for one, _ in done if one is not _GONE], sum(count for _, count in done)
    if isinstance(value, dict):
        kept, count = {}, 0
        for key, inner in value.items():
            if key in touched.get(f"{name}/", ()):
                count += 1
                continue
            cleaned, found = _pruned(inner, touched, key, listed=listed)
            count += found
            if cleaned is _GONE and listed:
                return _GONE, 1
            kept[key] = "" if cleaned is _GONE else cleaned
        return kept, count
    return value, 0


def _renamed(value: Any, touched: Touched, of: Callable[[str], str], name: str = "", *, alone: bool) -> tuple[Any, int]:
    """Put pseudonyms in the place of values; a record with one gets one for its key too."""
    if isinstance(value, str):
        return (of(value), 1) if value in touched.get(name, ()) else (value, 0)
    if isinstance(value, list):
        done = [_renamed(inner, touched, of, name, alone=alone) for inner in value]
        return [one for one, _ in done], sum(count for _, count in done)
    if isinstance(value, dict):
        pairs, count = {}, 0
        for key, inner in value.items():
            own = key in touched.get(f"{name}/", ())
            cleaned, found = _renamed(inner, touched, of, key, alone=False)
            pairs[of(key) if own else key] = cleaned
            count += found + own
        if count and alone and isinstance(pairs.get("key"), str):
            pairs["key"] = of(pairs["key"])
        return pairs, count
    return value, 0


def replace_file(path: Path, content: bytes | None) -> None:
    """Write a file's new content atomically, with the rights that it had; None removes it."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    with atomic_path(path, mode=path.stat().st_mode & 0o777) as temporary:
        temporary.write_bytes(content)
