from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media.container import decoding_errors, describe

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


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
    start, end = _span(packets, stream)
    return PacketIndex(packets, start, end, stream.time_base or Fraction(1))


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
