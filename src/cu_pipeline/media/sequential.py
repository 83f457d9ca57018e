"""Decoding a stream from its beginning: always right, never fast."""

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media.container import decoding_errors, describe, open_video
from cu_pipeline.media.sampling import Chosen, Sampling, sample_positions

if TYPE_CHECKING:
    from av import VideoFrame

T = TypeVar("T")


def decode_in_order(path: Path, samplings: Sequence[Sampling[T]]) -> list[list[T]]:
    """Decode every frame, then once more up to the last that is chosen, so that few are in memory.

    Args:
        path: a local media file.
        samplings: which frames are wanted, at the centres of equal segments of time; of the frames' sequence where
            they carry no ascending clock.

    Raises:
        BadClipError: `no_frames` when none decodes, `truncated` when an error ends the decoding.
    """
    clocks = [(frame.pts, frame.duration) for frame in _frames(path)]
    chosen = Chosen(samplings, partial(_positions, clocks))
    with closing(_frames(path)) as frames:
        for position, frame in enumerate(frames):
            if position in chosen.frames:
                chosen.take(position, frame)
            if chosen.complete:
                break
    return chosen.results()


def _positions(clocks: Sequence[tuple[int | None, int]], count: int) -> list[int]:
    starts = [clock for clock, _ in clocks if clock is not None]
    if len(starts) < len(clocks) or starts != sorted(set(starts)):
        return sample_positions(range(len(clocks)), len(clocks), count)
    duration = clocks[-1][1] or (starts[-1] - starts[0]) // max(len(starts) - 1, 1)
    return sample_positions(starts, starts[-1] + duration, count)


def _frames(path: Path) -> "Generator[VideoFrame, None, None]":
    decoded = 0
    with open_video(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                yield frame
                decoded += 1
        except decoding_errors() as error:
            detail = f"after {decoded} frames: {describe(error)}"
            raise BadClipError(Reason.TRUNCATED if decoded else Reason.NO_FRAMES, detail) from error
    if not decoded:
        raise BadClipError(Reason.NO_FRAMES, "no picture decodes to a frame")
