"""Decoding the sound of a media file: one channel at one rate, a little at a time."""

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media.container import decoding_errors, describe, open_media

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer

RATE: Final = 16_000
"""Samples a second of what is read: speech and most of what tells sounds apart lies below half of that."""

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
        BadClipError: the file does not open, or `no_frames` where it has sound of which nothing decodes.
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
    """One channel at `RATE`. A track may change its rate or its channels on the way."""
    from av.audio.resampler import AudioResampler

    resampler, made_for = None, None
    for frame in frames:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != made_for:
            yield from _pushed(resampler, None)
            resampler, made_for = AudioResampler("fltp", frame.layout, RATE), kind
        frame.pts = None
        yield from _pushed(resampler, frame)
    yield from _pushed(resampler, None)


def _pushed(resampler: "AudioResampler | None", frame: "AudioFrame | None") -> Iterator[Samples]:
    if resampler is None:
        return
    try:
        resampled = resampler.resample(frame)
    except decoding_errors() as error:
        raise BadClipError(Reason.NO_FRAMES, f"the sound cannot be converted: {describe(error)}") from error
    for part in resampled:
        mixed = part.to_ndarray().mean(axis=0, dtype=np.float32)
        yield np.clip(np.nan_to_num(mixed), -1, 1)
