"""Reading a multipart form: files go to the request's own folder piece by piece, fields into memory."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from anyio import to_thread
from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from cu_pipeline.service.api.body import BodyLimits, UploadGate, bad_request, check_announced, chunks
from cu_pipeline.service.refusal import Problem, RefusedError

_BUFFER: Final = 2**20
"""Bytes of files that are kept in memory before they are written."""

_NAME: Final = 64
"""Characters of a field's name that a refusal repeats."""


@dataclass(frozen=True)
class FormShape:
    """What a form may hold.

    Attributes:
        texts: field -> most bytes.
        files: names of files; None: any name that is no text's.
        most: parts in all.
    """

    texts: Mapping[str, int]
    files: frozenset[str] | None
    most: int


@dataclass
class Form:
    """What a form held.

    Attributes:
        texts: field -> its text.
        files: name -> where its bytes lie.
    """

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    path: Path | None = None
    skipped: bool = False
    text: bytearray = field(default_factory=bytearray)


async def read_form(
    request: Request,
    boundary: str,
    shape: FormShape,
    limits: BodyLimits,
    gate: UploadGate,
    folder: Callable[[], Path],
    received: Callable[[], None] | None = None,
) -> Form:
    """Read a form.

    Args:
        request: with the form as its body.
        boundary: between the parts.
        shape: what it may hold.
        limits: of size and time.
        gate: to pass.
        folder: makes the folder for the files.
        received: is called when a form with files is here, before the last of them are written, and may refuse it.

    Raises:
        RefusedError: it is not as it must be, or over a limit.
        ClientGoneError: it will never be whole.
    """
    check_announced(request, limits.max_bytes)
    reader = _Reader(shape, folder)
    try:
        parser = MultipartParser(boundary.encode("latin-1"), cast("Any", reader.callbacks()))
        with gate.enter():
            async for piece in chunks(request.receive, limits, limits.max_bytes):
                parser.write(piece)
                if reader.buffered > _BUFFER:
                    await to_thread.run_sync(reader.flush)
        parser.finalize()
        if not reader.ended:
            raise MultipartParseError("its last boundary is missing")
        if received and reader.form.files:
            received()
        await to_thread.run_sync(reader.flush)
    except (FormParserError, ValueError) as error:
        raise _bad("body", "form", f"the form cannot be read: {str(error)[:200]}") from None
    finally:
        reader.close()
    reader.form.files = {name: folder() / path for name, path in reader.form.files.items()}
    return reader.form


class _Reader:
    """Takes the parser's events."""

    def __init__(self, shape: FormShape, folder: Callable[[], Path]) -> None:
        self.form = Form()
        self.buffered = 0
        self.ended = False
        self._shape = shape
        self._folder = folder
        self._parts = 0
        self._part = _Part()
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._waiting: list[tuple[Path, bytes]] = []
        self._seen: set[str] = set()
        self._streams: dict[Path, Any] = {}

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._header_begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def flush(self) -> None:
        """Write what waits."""
        for path, data in self._waiting:
            if path not in self._streams:
                self._streams[path] = (self._folder() / path).open("wb")
            self._streams[path].write(data)
        self._waiting.clear()
        self.buffered = 0
        for stream in self._streams.values():
            stream.flush()

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._shape.most:
            raise _bad("body", "too_many_parts", f"the form has more than {self._shape.most} parts")
        self._part = _Part()

    def _header_begin(self) -> None:
        self._header = (bytearray(), bytearray())

    def _header_end(self) -> None:
        name, value = (bytes(one).decode("latin-1").strip() for one in self._header)
        self._part.headers[name.lower()] = value

    def _headers_finished(self) -> None:
        part = self._part
        kind, options = parse_options_header(part.headers.get("content-disposition", ""))
        if kind != b"form-data" or b"name" not in options:
            raise _bad("body", "form", "a part has no Content-Disposition: form-data with a name")
        part.name = _text(options[b"name"], "body")
        if part.name in self._seen:
            raise _bad(part.name, "duplicate", "the field stands twice in the form")
        self._seen.add(part.name)
        self._accept(part, _text(options[b"filename"], "body") if b"filename" in options else None)

    def _accept(self, part: _Part, file_name: str | None) -> None:
        if part.name in self._shape.texts:
            if file_name is not None:
                raise _bad(part.name, "not_text", "send it as text, not as a file")
            _, options = parse_options_header(part.headers.get("content-type", ""))
            if options.get(b"charset", b"utf-8").lower() not in {b"utf-8", b"utf8", b"us-ascii", b"ascii"}:
                raise _bad(part.name, "charset", "send it in UTF-8")
        elif self._shape.files is not None and part.name not in self._shape.files:
            known = ", ".join([*sorted(self._shape.files), *self._shape.texts])
            raise _bad(part.name, "unknown_field", f"no such field is known; there are {known}")
        elif file_name is None:
            raise _bad(part.name, "not_a_file", "send the file's bytes as a file; URLs and text are refused")
        elif not file_name:
            part.skipped = True  # what browsers send where no file was chosen
        else:
            suffix = re.sub(r"[^.A-Za-z0-9]", "", Path(file_name).suffix)[:8]
            part.path = Path(f"{uuid.uuid4().hex}{suffix}")
            self._waiting.append((part.path, b""))

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.path is not None:
            self._waiting.append((part.path, data[start:end]))
            self.buffered += end - start
        elif not part.skipped:
            part.text += data[start:end]
            if len(part.text) > (most := self._shape.texts[part.name]):
                raise _bad(part.name, "too_long", f"it has more than {most} bytes")

    def _end(self) -> None:
        part = self._part
        if part.path is not None:
            self.form.files[part.name] = part.path
        elif not part.skipped:
            self.form.texts[part.name] = _text(bytes(part.text), part.name)

    def _finish(self) -> None:
        self.ended = True


def _text(value: bytes, place: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise _bad(place, "charset", "it is not UTF-8") from None


def _bad(place: str, kind: str, message: str) -> RefusedError:
    return bad_request([Problem(loc=[place[:_NAME]], type=kind, msg=message)])
