"""Decoding the frames that samplings of a clip need, or all of them in order where the packets do not tell enough."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media.container import PacketIndex, decoding_errors, describe, open_video, read_index
from cu_pipeline.media.orientation import orientation_of
from cu_pipeline.media.sampling import Chosen, Sampling

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream


T = TypeVar("T")

PixelFormat: TypeAlias = Literal["rgb24", "gray"]

_MARKS_UNREFERENCED: Final = frozenset({"h264", "mpeg2video", "mpeg4"})
"""Codecs in which no frame ever needs one that is marked as not for reference."""

_CHANGES: Final = frozenset({"new_extradata", "param_change", "palette"})
"""Side data on which later packets depend, so that none may be left out."""


@dataclass
class Stretch:
    """Packets to decode in one go: positions in decoding order, and the clocks of the wanted frames."""

    first: int
    last: int
    wanted: set[int]


def decode_needed(index: PacketIndex, stream: "VideoStream", samplings: Sequence[Sampling[T]]) -> list[list[T]] | None:
    """Decode the frames that samplings choose, from the key frame before each.

    Frames that no other refers to are left out on the way (`skip_frame=NONREF`).

    Args:
        index: the stream's packets.
        stream: a stream whose decoder has decoded nothing yet.
        samplings: what is wanted.

    Returns:
        For each sampling its converted frames in its order; None when the packets do not tell which frames there
        are, or a decoder did not give a frame that the packets announced.
    """
    packets = index.packets
    clocks = [packet.pts for packet in packets if packet.pts is not None]
    if len(set(clocks)) < len(packets) or any(_changes(packet) for packet in packets):
        return None
    shown = sorted(clock for clock, packet in zip(clocks, packets, strict=True) if not packet.is_discard)
    if not shown:
        return None
    end, unit_s = index.end, float(index.time_base)
    chosen = Chosen(samplings, lambda sampling: [shown[place] for place in sampling.positions(shown, end, unit_s)])
    try:
        for run in plan_runs(packets, clocks, sorted(chosen.frames)):
            for frame in _decode_run(packets, run, stream):
                chosen.take(frame.pts, frame)
    except decoding_errors():
        return None
    return chosen.results() if chosen.complete else None


def _changes(packet: "Packet[VideoStream]") -> bool:
    return any(data.data_type in _CHANGES for data in packet.iter_sidedata())


def plan_runs(packets: "Sequence[Packet[VideoStream]]", clocks: Sequence[int], chosen: Sequence[int]) -> list[Stretch]:
    """Plan the stretches of packets that lead from a key frame to chosen frames, in order of time.

    The key frame precedes its frame both in decoding and in showing: frames shown before a key frame may refer
    to what came before it.
    """
    keys = [position for position, packet in enumerate(packets) if packet.is_keyframe]
    positions = {clock: position for position, clock in enumerate(clocks)}
    runs: list[Stretch] = []
    for clock in chosen:
        position = positions[clock]
        first = max((key for key in keys if key <= position and clocks[key] <= clock), default=0)
        if runs and first <= runs[-1].last + 1:
            runs[-1].last = max(runs[-1].last, position)
            runs[-1].wanted.add(clock)
        else:
            runs.append(Stretch(first, position, {clock}))
    return runs


def _decode_run(
    packets: "Sequence[Packet[VideoStream]]", run: Stretch, stream: "VideoStream"
) -> "Iterator[VideoFrame]":
    context = stream.codec_context
    if context.is_open:
        context.flush_buffers()
    else:
        context.open()
    may_skip = context.codec.canonical_name in _MARKS_UNREFERENCED
    for packet in (*packets[run.first : run.last + 1], None):
        needed = packet is None or packet.pts in run.wanted or not may_skip
        context.skip_frame = "DEFAULT" if needed else "NONREF"
        for frame in context.decode(packet):
            if frame.pts in run.wanted and not frame.is_corrupt:
                yield _timed(frame, stream)


def decode_in_order(path: Path, samplings: Sequence[Sampling[T]]) -> list[list[T]]:
    """Decode every frame, then once more up to the last that is chosen, so that few are in memory.

    Args:
        path: a local media file.
        samplings: which frames are wanted; of the frames' sequence where they carry no ascending clock.

    Raises:
        BadClipError: `no_frames` when none decodes, `truncated` when an error ends the decoding.
    """
    clocks, unit_s = _clocks(path)
    chosen = Chosen(samplings, partial(_positions, clocks, unit_s))
    with closing(_frames(path)) as frames:
        for position, frame in enumerate(frames):
            if position in chosen.frames:
                chosen.take(position, frame)
            if chosen.complete:
                break
    return chosen.results()


def _clocks(path: Path) -> tuple[list[tuple[int | None, int]], float]:
    """When each frame is shown and for how long, and seconds a unit; infinity where that is not known."""
    clocks, unit_s = [], math.inf
    for frame in _frames(path):
        clocks.append((frame.pts, frame.duration))
        unit_s = float(frame.time_base) if frame.time_base else math.inf
    return clocks, unit_s


def _positions(clocks: Sequence[tuple[int | None, int]], unit_s: float, sampling: Sampling[T]) -> list[int]:
    starts = [clock for clock, _ in clocks if clock is not None]
    if len(starts) < len(clocks) or starts != sorted(set(starts)):
        return sampling.positions(range(len(clocks)), len(clocks), math.inf)
    duration = clocks[-1][1] or (starts[-1] - starts[0]) // max(len(starts) - 1, 1)
    return sampling.positions(starts, starts[-1] + duration, unit_s)


def _frames(path: Path) -> "Generator[VideoFrame, None, None]":
    decoded = 0
    with open_video(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                yield _timed(frame, stream)
                decoded += 1
        except decoding_errors() as error:
            detail = f"after {decoded} frames: {describe(error)}"
            raise BadClipError(Reason.TRUNCATED if decoded else Reason.NO_FRAMES, detail) from error
    if not decoded:
        raise BadClipError(Reason.NO_FRAMES, "no picture decodes to a frame")


def _timed(frame: "VideoFrame", stream: "VideoStream") -> "VideoFrame":
    """Give a frame its stream's unit of time, which decoders leave out of those that they give at the end."""
    if stream.time_base is not None:
        frame.time_base = stream.time_base
    return frame


def sample_frames(path: Path, count: int, size: int) -> NDArray[np.uint8]:
    """Decode frames spread evenly over a clip: those shown at the centres of equal segments of time.

    Args:
        path: a local media file.
        count: how many frames; a clip of fewer frames repeats them.
        size: side of each frame, in pixels; libswscale scales (bilinear), the sides' ratio is not kept.

    Returns:
        RGB, uint8, shape (count, size, size, 3), in order of time, turned and mirrored as shown.

    Raises:
        BadClipError: the file does not open, or a part that is needed does not decode.
    """

    def shrink(frame: "VideoFrame") -> NDArray[np.uint8]:
        return upright(frame, size, size)

    return np.stack(decode_sample(path, count, shrink))


def decode_sample(path: Path, count: int, convert: "Callable[[VideoFrame], T]") -> list[T]:
    """Decode the frames shown at the centres of `count` equal segments of a clip, and convert each.

    Raises:
        BadClipError: the file does not open, or a part that is needed does not decode.
    """
    return decode_samples(path, [Sampling(count, convert)])[0]


def decode_samples(path: Path, samplings: "Sequence[Sampling[T]]") -> list[list[T]]:
    """Decode a clip once for several samplings of its frames.

    Only what the chosen frames need is decoded. The result equals that of decoding everything in order, which is
    what happens where the packets do not tell enough.

    Returns:
        For each sampling its converted frames, in its order.

    Raises:
        BadClipError: the file does not open, or a part that is needed does not decode.
    """
    with open_video(path) as (container, stream):
        frames = decode_needed(read_index(container, stream), stream, samplings)
    return frames if frames is not None else decode_in_order(path, samplings)


def upright(frame: "VideoFrame", width: int, height: int, pixels: PixelFormat = "rgb24") -> NDArray[np.uint8]:
    """Scale a frame, and turn and mirror it as it is to be shown.

    Returns:
        uint8, shape (height, width, 3) of RGB; (height, width) where pixels are grey.
    """
    orientation = orientation_of(frame)
    sides = orientation.sides(width, height)
    small = frame.reformat(*sides, format=pixels, interpolation="BILINEAR", threads=1)
    return orientation.apply(small.to_ndarray())


def fitted(frame: "VideoFrame", side: int, pixels: PixelFormat = "rgb24") -> NDArray[np.uint8]:
    """Draw a frame as it is to be shown, its sides' ratio kept, the longer one at most `side` pixels.

    Returns:
        uint8, shape (height, width, 3) of RGB; (height, width) where pixels are grey.
    """
    width, height = shown_sides(frame)
    scale = min(side / max(width, height), 1.0)
    return upright(frame, max(round(width * scale), 1), max(round(height * scale), 1), pixels)


def shown_sides(frame: "VideoFrame") -> tuple[int, int]:
    """Tell width and height of a frame as it is to be shown."""
    return orientation_of(frame).sides(frame.width, frame.height)


def decoder_identity(converter: str = "libswscale") -> dict[str, str]:
    """Name the decoder and the versions of the libraries that what it gives depends on.

    Args:
        converter: the library that turns what was decoded into what is wanted.
    """
    import av

    used = ("libavcodec", "libavformat", converter)
    libraries = {name: ".".join(map(str, av.library_versions[name])) for name in used}
    return {"name": "pyav", "version": av.__version__, **libraries}
