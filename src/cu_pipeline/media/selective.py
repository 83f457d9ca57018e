"""Decoding no more of a stream than some of its frames need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from cu_pipeline.media.container import decoding_errors
from cu_pipeline.media.packets import PacketIndex
from cu_pipeline.media.sampling import Chosen, Sampling, sample_positions

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

T = TypeVar("T")

_MARKS_UNREFERENCED: Final = frozenset({"h264", "mpeg2video", "mpeg4"})
"""Codecs in which no frame ever needs one that is marked as not for reference."""

_CHANGES: Final = frozenset({"new_extradata", "param_change", "palette"})
"""Side data on which later packets depend, so that none may be left out."""


@dataclass
class Run:
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
        For each sampling its converted frames in order of time; None when the packets do not tell which frames there
        are, or a decoder did not give a frame that the packets announced.
    """
    packets = index.packets
    clocks = [packet.pts for packet in packets if packet.pts is not None]
    if len(set(clocks)) < len(packets) or any(_changes(packet) for packet in packets):
        return None
    shown = sorted(clock for clock, packet in zip(clocks, packets, strict=True) if not packet.is_discard)
    if not shown:
        return None
    end = index.end
    chosen = Chosen(samplings, lambda count: [shown[place] for place in sample_positions(shown, end, count)])
    try:
        for run in plan_runs(packets, clocks, sorted(chosen.frames)):
            for frame in _decode_run(packets, run, stream):
                chosen.take(frame.pts, frame)
    except decoding_errors():
        return None
    return chosen.results() if chosen.complete else None


def _changes(packet: "Packet[VideoStream]") -> bool:
    return any(data.data_type in _CHANGES for data in packet.iter_sidedata())


def plan_runs(packets: "Sequence[Packet[VideoStream]]", clocks: Sequence[int], chosen: Sequence[int]) -> list[Run]:
    """Give the stretches of packets that lead from a key frame to chosen frames, in order of time.

    The key frame precedes its frame both in decoding and in showing: frames shown before a key frame may refer
    to what came before it.
    """
    keys = [position for position, packet in enumerate(packets) if packet.is_keyframe]
    positions = {clock: position for position, clock in enumerate(clocks)}
    runs: list[Run] = []
    for clock in chosen:
        position = positions[clock]
        first = max((key for key in keys if key <= position and clocks[key] <= clock), default=0)
        if runs and first <= runs[-1].last + 1:
            runs[-1].last = max(runs[-1].last, position)
            runs[-1].wanted.add(clock)
        else:
            runs.append(Run(first, position, {clock}))
    return runs


def _decode_run(packets: "Sequence[Packet[VideoStream]]", run: Run, stream: "VideoStream") -> "Iterator[VideoFrame]":
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
                yield frame
