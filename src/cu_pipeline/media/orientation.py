"""How a decoded frame is to be shown: the eight orientations that a display matrix or EXIF can ask for."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import VideoFrame

Pixel = TypeVar("Pixel", bound=np.generic)

_MATRIX: Final = "DISPLAYMATRIX"
_KINDS: Final = 64
"""More than FFmpeg has kinds of side data; it gives them numbers from 0 on."""


@dataclass(frozen=True)
class Orientation:
    """What turns a frame as it is stored into the frame as it is shown.

    Attributes:
        mirrored: whether left and right change places, before it is turned.
        turns: how often it is turned by 90° counter-clockwise: 0 to 3.
    """

    mirrored: bool
    turns: int

    def sides(self, width: int, height: int) -> tuple[int, int]:
        """Tell what width and height become; the same way back."""
        return (height, width) if self.turns % 2 else (width, height)

    def apply(self, image: NDArray[Pixel]) -> NDArray[Pixel]:
        """Show a picture, shape (height, width, ...), in this orientation."""
        return np.rot90(image[:, ::-1] if self.mirrored else image, self.turns)


def orientation_of(frame: "VideoFrame") -> Orientation:
    """Read a frame's display matrix, which decoders also make of EXIF's orientation.

    Players differ on angles between quarter turns; here such a frame is turned to the nearest one.

    Source: ISO/IEC 14496-12, 8.3.2 (the matrix), and `libavutil/display.h` (its form in memory).
    """
    matrix = _display_matrix(frame)
    if matrix is None:
        return Orientation(mirrored=False, turns=0)
    a, b, _, c, d = matrix[:5].astype(float).tolist()
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    along, across = math.hypot(a, c), math.hypot(b, d)
    if not along or not across:  # a matrix that leaves nothing to see, which players do not heed either
        return Orientation(mirrored=False, turns=0)
    return Orientation(mirrored, round(-math.degrees(math.atan2(b / across, a / along)) / 90) % 4)


def _display_matrix(frame: "VideoFrame") -> NDArray[np.int32] | None:
    """Find the nine numbers of a frame's display matrix, row by row; None where it has none."""
    try:
        found = frame.side_data.get(_MATRIX)
    except ValueError:  # PyAV lists no side data where one is of a kind that it does not know, such as EXIF
        found = _without_new_kinds(frame).side_data.get(_MATRIX)
    return None if found is None else np.frombuffer(bytes(found), np.int32)


def _without_new_kinds(frame: "VideoFrame") -> "VideoFrame":
    from av.filter import Graph
    from av.sidedata.sidedata import Type

    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base or Fraction(1)
    )
    known: set[int] = {int(cast("Any", kind).value) for kind in Type}
    removing = [graph.add("sidedata", f"mode=delete:type={kind}") for kind in range(_KINDS) if kind not in known]
    steps = [source, *removing, graph.add("buffersink")]
    for before, after in pairwise(steps):
        before.link_to(after)
    graph.configure()
    graph.push(frame)
    return cast("VideoFrame", graph.pull())
