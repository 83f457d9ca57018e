from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.media.container import (
    PacketIndex,
    check_present,
    decoding_errors,
    describe,
    open_video,
    read_index,
)
from cu_pipeline.media.options import Limits
from cu_pipeline.media.orientation import orientation_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class MediaFacts:
    """What a readable video file is.

    Attributes:
        duration_s: seconds from the first frame's start to the last one's end, by the packets' clocks; 0 for
            a picture without a clock.
        width: pixels as shown, after turning.
        height: pixels as shown, after turning.
        fps: frames a second, on average; 0 when unknown.
        codec: such as `h264`.
        has_audio: whether there is an audio stream.
        bytes: size of the file.
        sha256: of the file's bytes, in hex.
        rotation: degrees counter-clockwise by which frames are turned to be shown: 0, 90, 180 or 270.
        mirrored: whether left and right change places before frames are turned; earlier versions did not tell.
    """

    duration_s: float
    width: int
    height: int
    fps: float
    codec: str
    has_audio: bool
    bytes: int
    sha256: str
    rotation: int
    mirrored: bool = False


@dataclass(frozen=True)
class Examined:
    """What one look at a readable video file tells.

    Attributes:
        facts: what it is.
        pictures: that it has, as its packets say.
        key_frame_gap: the most pictures from one key frame to the next, which decoding one picture may take.
    """

    facts: MediaFacts
    pictures: int
    key_frame_gap: int


def probe(path: Path, limits: Limits) -> MediaFacts:
    """Read a media file's facts and make sure that it can be decoded; see `examine`."""
    return examine(path, limits).facts


def examine(path: Path, limits: Limits) -> Examined:
    """Read what a media file is and make sure that it can be decoded.

    Every packet is read, since headers may lie about the length, and the first frame is decoded.

    Args:
        path: a local file.
        limits: what the file may cost; its time and memory are for the caller to enforce.

    Raises:
        BadClipError: with the reason for which the file is refused.
    """
    check_present(path)
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise BadClipError(Reason.TOO_LARGE, f"{size} bytes; at most {limits.max_bytes} (max_bytes)")
    with open_video(path) as (container, stream):
        context = stream.codec_context
        _check_pixels(context.width, context.height, limits)
        if stream.duration and stream.time_base:
            _check_duration(float(stream.duration * stream.time_base), limits)
        index = read_index(container, stream)
        _check_duration(index.duration_s, limits)
        frame = _first_frame(index, stream)
        _check_pixels(frame.width, frame.height, limits)
        orientation = orientation_of(frame)
        width, height = orientation.sides(frame.width, frame.height)
        facts = MediaFacts(
            duration_s=index.duration_s,
            width=width,
            height=height,
            fps=_rate(index, stream),
            codec=context.codec.canonical_name,
            has_audio=bool(container.streams.audio),
            bytes=size,
            sha256=file_sha256(path),
            rotation=90 * orientation.turns,
            mirrored=orientation.mirrored,
        )
        return Examined(facts, len(index.packets), _key_frame_gap(index))


def _key_frame_gap(index: PacketIndex) -> int:
    keys = [place for place, packet in enumerate(index.packets) if packet.is_keyframe]
    edges = [0, *keys, len(index.packets)]
    return max(later - earlier for earlier, later in pairwise(edges))


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        detail = f"{width} × {height} pixels; at most {limits.max_pixels} (max_pixels)"
        raise BadClipError(Reason.TOO_MANY_PIXELS, detail)


def _check_duration(seconds: float, limits: Limits) -> None:
    if seconds > limits.max_duration_s:
        detail = f"{seconds:.3f} s; at most {limits.max_duration_s:g} s (max_duration_s)"
        raise BadClipError(Reason.TOO_LONG, detail)


def _first_frame(index: PacketIndex, stream: "VideoStream") -> "VideoFrame":
    try:
        for packet in (*index.packets, None):
            for frame in stream.codec_context.decode(packet):
                return frame
    except decoding_errors() as error:
        raise BadClipError(Reason.NO_FRAMES, f"the first picture does not decode: {describe(error)}") from error
    raise BadClipError(Reason.NO_FRAMES, f"none of {len(index.packets)} pictures decodes to a frame")


def _rate(index: PacketIndex, stream: "VideoStream") -> float:
    if len(index.packets) > 1 and index.duration_s:
        return len(index.packets) / index.duration_s
    return float(stream.average_rate or 0)
