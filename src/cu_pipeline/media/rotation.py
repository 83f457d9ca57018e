from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import VideoFrame


def quarter_turns(frame: "VideoFrame") -> int:
    """Give how often a frame is turned 90° counter-clockwise to be shown, by its display matrix: 0 to 3."""
    return round(frame.rotation / 90) % 4
