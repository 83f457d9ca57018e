"""Decoding the sound of a media file: one channel at one rate, a little at a time."""

from collections.abc import Generator, Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media.container import decoding_errors, describe, open_media

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

RATE: Final = 16_000
"""Samples a second of what is read: speech and most of what tells sounds apart lies below half of that."""

_SLOWEST: Final = 1000
"""Samples a second below which a track is no sound, and would grow without bound."""

_TOGETHER: Final = 2**15
"""Samples that are converted together, at least."""

Samples = NDArray[np.float32]
"""Of one channel, (n): full scale is from -1 to 1."""


def read_sound(path: Path, most_s: float) -> Generator[Samples, None, None]:
    """Decode the first sound track of a file: the mean of its channels, at `RATE`.

    Packets that do not decode are left out, and so is what comes after the place where the file breaks off.

    Args:
        path: a local media file.
        most_s: seconds from the track's beginning that are read at most.

    Yields:
        Parts of the track, one after the other; none where the file has no track, or one without a packet.

    Raises:
        BadClipError: the file does not open, or `no_frames` where it has sound that cannot be decoded or converted.
    """
    left = round(most_s * RATE)
    with open_media(path) as container:
        for samples in _resampled(_frames(container)):
            yield samples[:left]
            left -= len(samples)
            if left <= 0:
                return


def _frames(container: "InputContainer") -> "Iterator[AudioFrame]":
    tracks = container.streams.audio
    readable = [track for track in tracks if track.codec_context is not None]
    if tracks and not readable:
        raise BadClipError(Reason.NO_FRAMES, "no decoder knows the codec of the sound")
    packets = decoded = 0
    for packet_frames in _decoded(container, readable[0]) if readable else ():
        packets += 1
        for frame in packet_frames:
            decoded += 1
            yield frame
    if packets and not decoded:
        raise BadClipError(Reason.NO_FRAMES, f"no packet of {packets} with sound decodes")


def _decoded(container: "InputContainer", track: "AudioStream") -> "Iterator[list[AudioFrame]]":
    """What each packet comes to, nothing where it does not decode; the last holds what the decoder kept back."""
    from av.stream import Discard

    for stream in container.streams:
        if stream is not track:
            stream.discard = Discard.all
    track.thread_type = "NONE"
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets, None)
        except decoding_errors():
            packet = None
        try:
            frames = track.codec_context.decode(packet if packet is not None and packet.size else None)
        except decoding_errors():
            frames = []
        if packet is None or not packet.size:
            if frames:
                yield frames
            return
        yield frames


def _resampled(frames: "Iterable[AudioFrame]") -> Iterator[Samples]:
    """One channel at `RATE`. A track may change its rate or its channels on the way.

    Frames are converted many at a time, since each conversion costs as much as decoding a frame.
    """
    for rate, run in groupby(frames, lambda frame: frame.sample_rate):
        if rate < _SLOWEST:
            raise BadClipError(Reason.NO_FRAMES, f"sound at {rate} Hz is not read; at least {_SLOWEST}")
        parts = _gathered(map(_mixed, run))
        yield from parts if rate == RATE else _converted(parts, rate)


def _mixed(frame: "AudioFrame") -> Samples:
    """The mean of a frame's channels."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    mixed = values.mean(axis=0, dtype=np.float64 if values.dtype.itemsize > 2 else np.float32)
    if values.dtype.kind in "iu":
        half = 2.0 ** (8 * values.dtype.itemsize - 1)
        mixed = (mixed - (half if values.dtype.kind == "u" else 0)) / half
    return np.clip(np.nan_to_num(mixed), -1, 1).astype(np.float32)


def _gathered(parts: Iterable[Samples]) -> Iterator[Samples]:
    """The same samples in parts of `_TOGETHER` or a little more; the last may be shorter."""
    waiting: list[Samples] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= _TOGETHER:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _converted(parts: Iterable[Samples], rate: int) -> Iterator[Samples]:
    import av

    resampler = av.AudioResampler("fltp", "mono", RATE)
    try:
        for part in chain(parts, (None,)):
            frame = None if part is None else av.AudioFrame.from_ndarray(part[None], "fltp", "mono")
            if frame is not None:
                frame.sample_rate = rate
            for resampled in resampler.resample(frame):
                yield resampled.to_ndarray()[0]
    except decoding_errors() as error:
        raise BadClipError(Reason.NO_FRAMES, f"sound at {rate} Hz is not read: {describe(error)}") from error
