"""Opening a media file without letting it reach anything but itself, and listing its packets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from cu_pipeline.core.errors import BadClipError, Reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_MAGIC: Final = ((0, b"\x1a\x45\xdf\xa3"), (0, b"RIFF"), (0, b"GIF8"), (0, b"FLV"), (4, b"ftyp"), (4, b"moov"))
"""Where the usual video containers carry which bytes."""

_FLAGS: Final = 20
_ANIMATED: Final = 0b10


def decoding_errors() -> tuple[type[Exception], ...]:
    """Name what PyAV raises for bytes that it cannot read."""
    import av

    return (av.FFmpegError, EOFError, OSError, ValueError)


@contextmanager
def open_media(path: Path) -> Iterator["InputContainer"]:
    """Open a file, and nothing else.

    The file is read through a Python stream and no protocol is allowed, so a playlist or a name such as
    `concat:` or `clip%03d.png` cannot make the decoder open another file or an address.

    Raises:
        BadClipError: `missing`, `empty`, `not_media` (also an animated WebP) or `truncated`.
    """
    import av

    check_present(path)
    with path.open("rb") as file:
        _check_webp(file)
        try:
            container = av.open(file, metadata_errors="ignore", options={"protocol_whitelist": "none"})
        except decoding_errors() as error:
            raise _unopenable(path, error) from error
        with container:
            yield container


@contextmanager
def open_video(path: Path) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """Open a file's first moving picture, to be decoded on one thread.

    A cover picture counts only when there is no other picture.

    Raises:
        BadClipError: as `open_media`, or `no_video`.
    """
    with open_media(path) as container:
        yield container, _picture(container)


def _check_webp(file: BinaryIO) -> None:
    """Refuse an animated WebP, which FFmpeg opens and cannot decode.

    Source: RFC 9649, section 2.7.
    """
    head = file.read(21)
    file.seek(0)
    if head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X" and len(head) > _FLAGS and head[_FLAGS] & _ANIMATED:
        raise BadClipError(Reason.NOT_MEDIA, "animated WebP is not read: convert it to MP4, WebM or GIF")


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
    """Tell an error's type and message without the file's name."""
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
    return BadClipError(Reason.NOT_MEDIA, f"does not begin like a video that can be opened: {describe(error)}")


@dataclass(frozen=True)
class PacketIndex:
    """The coded pictures of a stream.

    Attributes:
        packets: in decoding order.
        start: when the first shown picture begins, in units of `time_base`.
        end: when the last shown picture ends, in units of `time_base`.
        time_base: seconds a unit.
    """

    packets: "list[Packet[VideoStream]]"
    start: int
    end: int
    time_base: Fraction

    @property
    def duration_s(self) -> float:
        """Seconds from `start` to `end`."""
        return float((self.end - self.start) * self.time_base)


def read_index(container: "InputContainer", stream: "VideoStream") -> PacketIndex:
    """Read all packets of a stream without decoding any.

    Raises:
        BadClipError: `truncated` when the file ends or breaks before its last packet, `no_frames` when there is
            no packet.
    """
    packets: list[Packet[VideoStream]] = []
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.is_corrupt:
                raise BadClipError(Reason.TRUNCATED, f"picture {len(packets)} is cut off")
            packets.append(packet)
    except decoding_errors() as error:
        raise BadClipError(Reason.TRUNCATED, f"after {len(packets)} pictures: {describe(error)}") from error
    if not packets:
        raise BadClipError(Reason.NO_FRAMES, "the video stream holds no picture")
    _check_whole(container, stream, len(packets))
    start, end = _span(packets, stream)
    return PacketIndex(packets, start, end, stream.time_base or Fraction(1))


def _check_whole(container: "InputContainer", stream: "VideoStream", read: int) -> None:
    """Refuse a file whose own index names pictures beyond its end, which between two pictures ends like a whole one."""
    size = container.size
    beyond = sum(entry.pos + entry.size > size for entry in stream.index_entries)
    if beyond:
        raise BadClipError(Reason.TRUNCATED, f"after {read} pictures: the file ends before {beyond} more that it names")


def _span(packets: "list[Packet[VideoStream]]", stream: "VideoStream") -> tuple[int, int]:
    clocks = ((packet.pts if packet.pts is not None else packet.dts, packet) for packet in packets)
    shown = [(clock, packet.duration or 0) for clock, packet in clocks if clock is not None and not packet.is_discard]
    if shown:
        start = min(clock for clock, _ in shown)
        last, duration = max(shown)
        return start, last + (duration or (last - start) // max(len(shown) - 1, 1))
    if stream.average_rate and stream.time_base:
        return 0, int(len(packets) / stream.average_rate / stream.time_base)
    return 0, 0
