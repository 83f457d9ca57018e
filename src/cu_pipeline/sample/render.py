import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.sample.alter import ALTERATIONS, COARSER
from cu_pipeline.sample.damage import Damage
from cu_pipeline.sample.encode import read_frames, write_mp4
from cu_pipeline.sample.film import SAMPLE_RATE, draw_frames, draw_sound
from cu_pipeline.sample.shot import FPS, Shot
from cu_pipeline.sample.world import stream


def render(work: tuple[Shot, Path]) -> None:
    """Write the media file of a shot atomically.

    Args:
        work: the shot and its file.
    """
    shot, target = work
    with atomic_path(target) as temporary:
        _SPOIL[shot.damage](shot, temporary)


def _sound_file(shot: Shot, path: Path) -> None:
    if shot.alteration not in ALTERATIONS:
        write_mp4(path, draw_frames(shot), draw_sound(shot), shot.crf)
        return
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "original.mp4"
        write_mp4(first, draw_frames(shot), draw_sound(shot), shot.crf)
        frames = ALTERATIONS[shot.alteration](read_frames(first), shot.mark)
    begin = round((shot.frames - len(frames)) / 2 / FPS * SAMPLE_RATE)
    sound = draw_sound(shot)
    write_mp4(path, frames, sound[begin : len(sound) - begin], shot.crf + COARSER)


def _empty(_: Shot, path: Path) -> None:
    path.write_bytes(b"")


def _truncated(shot: Shot, path: Path) -> None:
    """Keep the first 60 %: the index of an mp4, without which it cannot be read, stands at its end."""
    _sound_file(shot, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])


def _garbage(shot: Shot, path: Path) -> None:
    path.write_bytes(stream(shot.seed, "garbage").integers(0, 256, 20_000).astype(np.uint8).tobytes())


def _audio_only(shot: Shot, path: Path) -> None:
    write_mp4(path, [], draw_sound(shot), shot.crf)


_SPOIL: Final[dict[str, Callable[[Shot, Path], None]]] = {
    "": _sound_file,
    Damage.EMPTY: _empty,
    Damage.TRUNCATED: _truncated,
    Damage.GARBAGE: _garbage,
    Damage.AUDIO_ONLY: _audio_only,
}
