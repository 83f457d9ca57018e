"""Pictures of clips: frames that stay JPEG files until a model wants to look at some of them."""

import io
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Jpegs: TypeAlias = tuple[bytes, ...]
"""A clip's frames in order of time, each a JPEG file; all have the same sides."""

Clip: TypeAlias = "Jpegs | Callable[[], Jpegs] | None"
"""Frames at hand, or what reads them when they are wanted; None where there are none."""


class Pictures:
    """Frames of n clips, which behave like an array of n rows and are decoded a clip at a time.

    Where the frames are given by functions, nothing but these is in memory, so that any number of clips can be held
    and sent to other processes.

    Args:
        clips: n.
        shape: frames a clip, their nominal side twice, and 3; a clip's pictures may have any sides.

    Raises:
        ValueError: a clip has another number of frames.
    """

    def __init__(self, clips: Sequence[Clip], shape: tuple[int, ...]) -> None:
        self._clips: NDArray[np.object_] = np.empty(len(clips), dtype=object)
        for row, clip in enumerate(clips):
            if isinstance(clip, tuple) and len(clip) != shape[0]:
                raise ValueError(f"clip {row} has {len(clip)} frames instead of {shape[0]}")
            self._clips[row] = clip
        self._shape = shape

    @property
    def shape(self) -> tuple[int, ...]:
        """As arrays have it: n and the shape of one clip."""
        return len(self), *self._shape

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which clips have pictures: bool (n)."""
        return np.array([clip is not None for clip in self._clips], dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, rows: Sequence[int] | NDArray[Any] | slice) -> "Pictures":
        """The clips at the positions `rows`, or where a mask is true."""
        return Pictures(np.atleast_1d(self._clips[rows]).tolist(), self._shape)

    def __setitem__(self, rows: Sequence[int] | NDArray[Any] | slice, others: "Pictures") -> None:
        self._clips[rows] = others._clips

    def joined(self, others: "Pictures") -> "Pictures":
        """These clips and then the others."""
        return Pictures([*self._clips, *others._clips], self._shape)

    def encoded(self, row: int) -> Jpegs | None:
        """A clip's frames as JPEG files; None where there are none."""
        clip: Clip = self._clips[row]
        return clip() if callable(clip) else clip

    def decoded(self, row: int, frames: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """Decode frames of a clip.

        Args:
            row: of the clip.
            frames: their positions, any number of times each; None: all.

        Returns:
            RGB, uint8 (frames, height, width, 3).

        Raises:
            ValueError: the clip has no pictures.
        """
        jpegs = self.encoded(row)
        if jpegs is None:
            raise ValueError(f"clip {row} has no pictures; `present` tells which have")
        wanted = range(len(jpegs)) if frames is None else frames
        known = {place: _decoded(jpegs[place]) for place in set(wanted)}
        return np.stack([known[place] for place in wanted])


def _decoded(jpeg: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert("RGB"))
