"""Makes media files: draws a shot, alters it as uploading again does, encodes and damages it."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.sample.film import SAMPLE_RATE, Frames, draw_frames, draw_sound, watermark
from cu_pipeline.sample.options import Alteration
from cu_pipeline.sample.shot import FPS, Damage, Shot
from cu_pipeline.sample.world import stream

COARSER: Final = 6
"""Added to the rate factor of an altered copy."""

_CROPPED: Final = 0.1
_RESIZED: Final = 0.7


def _keep(frames: Frames, _: str) -> Frames:
    return frames


def _crop(frames: Frames, _: str) -> Frames:
    height, width = frames[0].shape[:2]
    top, left = round(height * _CROPPED / 2), round(width * _CROPPED / 2)
    rows, columns = _even(height * (1 - _CROPPED)), _even(width * (1 - _CROPPED))
    return [frame[top : top + rows, left : left + columns] for frame in frames]


def _resize(frames: Frames, _: str) -> Frames:
    height, width = frames[0].shape[:2]
    size = (_even(width * _RESIZED), _even(height * _RESIZED))
    return [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)) for frame in frames]


def _mirror(frames: Frames, _: str) -> Frames:
    return [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]


def _trim(frames: Frames, _: str) -> Frames:
    return frames[FPS // 2 : -FPS // 2]


def _mark(frames: Frames, mark: str) -> Frames:
    layer = watermark(mark)
    pictures = [Image.fromarray(frame) for frame in frames]
    for picture in pictures:
        picture.paste(layer, (0, 0), layer)
    return [np.asarray(picture) for picture in pictures]


def _even(length: float) -> int:
    return int(length) // 2 * 2


ALTERATIONS: Final[dict[str, Callable[[Frames, str], Frames]]] = {
    Alteration.REENCODED: _keep,
    Alteration.CROPPED: _crop,
    Alteration.RESIZED: _resize,
    Alteration.MIRRORED: _mirror,
    Alteration.TRIMMED: _trim,
    Alteration.WATERMARKED: _mark,
}
"""Changes of the picture; a copy with a new caption alone keeps its bytes, so it is not here."""


_FAST: Final = {"preset": "ultrafast", "threads": "1", "g": "48"}


def write_mp4(path: Path, frames: Frames, sound: NDArray[np.int16], crf: int) -> None:
    """Encode H.264 with AAC sound; equal input gives equal bytes.

    Args:
        path: the file.
        frames: of one even size; none for a file with sound alone.
        sound: one channel at `SAMPLE_RATE`.
        crf: x264's constant rate factor.
    """
    import av
    import cv2

    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS, options={**_FAST, "crf": str(crf)}) if frames else None
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono", options={"aac_coder": "fast"})
        audio.bit_rate = 32_000
        if video is not None:
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = "yuv420p"
            for pixels in frames:
                planes = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420), np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
            container.mux(video.encode())
        _mux_sound(container, audio, sound)


def read_frames(path: Path) -> Frames:
    """Decode every frame of a file that `write_mp4` made, RGB."""
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _mux_sound(container: Any, stream: Any, sound: NDArray[np.int16]) -> None:
    import av

    frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    frame.pts = 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())


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
