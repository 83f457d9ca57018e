"""In which encoding a text file is, with or without its mark."""

import io
from collections.abc import Iterator
from typing import IO, Final

_HEAD: Final = 256
_SHARE: Final = 4
"""Of the first characters, one in so many must be ASCII for UTF-16 to be told without a mark."""


def encoding_of(stream: IO[bytes]) -> str:
    """Tell UTF-16 from UTF-8, by the byte order mark or, where that is lacking, by the zero bytes of ASCII letters.

    Args:
        stream: at its beginning, where it is left.
    """
    head = stream.read(_HEAD)
    stream.seek(0)
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    first, second = head[::2].count(0), head[1::2].count(0)
    if second * _SHARE > len(head) // 2 and not first:
        return "utf-16-le"
    return "utf-16-be" if first * _SHARE > len(head) // 2 and not second else "utf-8-sig"


def text_lines(stream: IO[bytes]) -> Iterator[str]:
    r"""Read the lines with their endings: `\n`, `\r\n` or `\r`.

    Raises:
        UnicodeError: the bytes are not of the encoding.
    """
    text = io.TextIOWrapper(stream, encoding=encoding_of(stream), newline="")
    try:
        yield from text
    finally:
        if not stream.closed:  # who stops half-way may close it first
            text.detach()
