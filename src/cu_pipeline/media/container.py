"""Opening a media file without letting it reach anything but itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.errors import BadClipError, Reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MAGIC: Final = ((0, b"\x1a\x45\xdf\xa3"), (0, b"RIFF"), (0, b"GIF8"), (0, b"FLV"), (4, b"ftyp"), (4, b"moov"))
"""Where the usual video containers carry which bytes."""


def decoding_errors() -> tuple[type[Exception], ...]:
    """Give what PyAV raises for bytes that it cannot read."""
    import av

    return (av.FFmpegError, EOFError, OSError, ValueError)


@contextmanager
def open_video(path: Path) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """Open a file's first moving picture, to be decoded on one thread.

    The file is read through a Python stream and no protocol is allowed, so a playlist or a name such as
    `concat:` or `clip%03d.png` cannot make the decoder open another file or an address. A cover picture counts
    only when there is no other picture.

    Raises:
        BadClipError: `missing`, `empty`, `not_media`, `truncated` or `no_video`.
    """
    import av

    check_present(path)
    with path.open("rb") as file:
        try:
            container = av.open(file, metadata_errors="ignore", options={"protocol_whitelist": "none"})
        except decoding_errors() as error:
            raise _unopenable(path, error) from error
        with container:
            yield container, _picture(container)


def check_present(path: Path) -> None:
    """Refuse a path without a file, and a file without a byte.

    Raises:
        BadClipError: `missing` or `empty`.
    """
    if not path.is_file():
        raise BadClipError(Reason.MISSING, "there is no such file")
    if path.stat().st_size == 0:
        raise BadClipError(Reason.EMPTY, "the file has 0 bytes")


def describe(error: Exception) -> str:
    """Give an error's type and message without the file's name."""
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"


def _picture(container: "InputContainer") -> "VideoStream":
    from av.stream import Disposition

    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    if not streams:
        found = ", ".join(sorted({stream.type for stream in container.streams})) or "no stream"
        raise BadClipError(Reason.NO_VIDEO, f"{container.format.name} with {found}, and no picture to decode")
    moving = (stream for stream in streams if not stream.disposition & Disposition.attached_pic)
    stream = next(moving, streams[0])
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream


def _unopenable(path: Path, error: Exception) -> BadClipError:
    import av

    with path.open("rb") as file:
        head = file.read(12)
    begins_well = any(head[at : at + len(magic)] == magic for at, magic in _MAGIC)
    if begins_well and isinstance(error, (av.InvalidDataError, EOFError)):
        return BadClipError(Reason.TRUNCATED, f"begins like a video but does not open: {describe(error)}")
    return BadClipError(Reason.NOT_MEDIA, describe(error))
