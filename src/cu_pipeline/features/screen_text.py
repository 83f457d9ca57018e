import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.core.weights import MODELS, weights_path
from cu_pipeline.features.extractor import Identity, Source, Texts
from cu_pipeline.media.sampling import Sampling

if TYPE_CHECKING:
    from av import VideoFrame

DETECTOR: Final = "pp-ocrv6-det-small"
RECOGNISER: Final = "pp-ocrv6-rec-small"
_SHARPER: Final = 2
"""How many times larger frames are kept than the detector sees them: letters are recognised there."""

_REMEMBERED: Final = 64
"""Frames of which a process remembers what it read: those of one clip, at most, which several extractors ask about."""


class ScreenTextOptions(Options):
    """Parameters of the reader of text on screen.

    Attributes:
        frames: of a clip that are read.
        size: pixels of the longer side that the detector of text sees.
        least_confidence: of a line, below which it is left out.
    """

    frames: int = Field(2, ge=1, le=64)
    size: int = Field(480, ge=64, le=2000)
    least_confidence: float = Field(0.8, ge=0, le=1)


class ScreenTextReader:
    """Text on screen, by PP-OCRv6 in RapidOCR: what the frames of a clip show, each line once.

    Args:
        frames: of a clip that are read, spread evenly over its time.
        size: longer side in pixels that the detector of text sees.
        least_confidence: of a line, below which it is left out.
    """

    options: ClassVar[type[Options]] = ScreenTextOptions
    packages: ClassVar[tuple[str, ...]] = ("rapidocr",)
    source: ClassVar[Source] = "media"

    def __init__(self, frames: int = 2, size: int = 480, least_confidence: float = 0.8) -> None:
        self._frames = frames
        self._size = size
        self._least = least_confidence

    def __getstate__(self) -> dict[str, Any]:
        """Send only the parameters to worker processes, never the engine."""
        return {"_frames": self._frames, "_size": self._size, "_least": self._least}

    @cached_property
    def identity(self) -> Identity:
        """What decides the text, the video decoder and its version among it."""
        from cu_pipeline.media.decoding import decoder_identity

        return Identity(
            name="screen_text",
            version=1,
            shape=(),
            weights_sha256=json_sha256([MODELS[name].sha256 for name in (DETECTOR, RECOGNISER)]),
            parameters={
                "frames": self._frames,
                "size": self._size,
                "least_confidence": self._least,
                "engine": f"rapidocr@{version('rapidocr')} onnxruntime@{version('onnxruntime')}",
            },
            decoder=decoder_identity(),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments it was made with."""
        return {"frames": self._frames, "size": self._size, "least_confidence": self._least}

    @property
    def sampling(self) -> Sampling[NDArray[np.uint8]]:
        """Pictures, larger than the detector sees them, spread evenly over the clip's time."""
        return Sampling(self._frames, self._shrink)

    def _shrink(self, frame: "VideoFrame") -> NDArray[np.uint8]:
        from cu_pipeline.media.decoding import fitted

        return fitted(frame, _SHARPER * self._size)

    def prepare(self, content: Sequence[NDArray[np.uint8]]) -> str:
        """Read one clip's frames, in a worker process.

        Returns:
            Lines from top to bottom, those of earlier frames first, with " / " between them.
        """
        return joined(line for image in content for line in self._lines(image))

    def encode(self, prepared: Sequence[str]) -> Texts:
        """The texts that were read: (clips,)."""
        return np.array(prepared, dtype=object)

    def _lines(self, image: NDArray[np.uint8]) -> Iterator[str]:
        found = self._engine(np.ascontiguousarray(image[..., ::-1]))
        for line, confidence in zip(found.txts or (), found.scores or (), strict=True):
            if confidence >= self._least:
                yield line

    @cached_property
    def _engine(self) -> "_Engine":
        return _engine_of(self._size)


class _Engine:
    """Detector and recogniser, which read a frame once, however many extractors ask for it in a row.

    Args:
        size: longer side in pixels that the detector sees.
    """

    def __init__(self, size: int) -> None:
        from rapidocr import RapidOCR

        self._read: OrderedDict[bytes, Any] = OrderedDict()
        self._network = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_cls": False,
                "Det.model_path": str(weights_path(DETECTOR)),
                "Det.limit_type": "max",
                "Det.limit_side_len": size,
                "Rec.model_path": str(weights_path(RECOGNISER)),
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def __call__(self, image: NDArray[np.uint8]) -> Any:
        """Read a frame: BGR (height, width, 3), contiguous; the answer has `txts` and `scores`."""
        key = hashlib.blake2b(image.tobytes(), digest_size=16, person=f"{image.shape[0]}".encode()).digest()
        if key not in self._read:
            self._read[key] = self._network(image)
            if len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
        return self._read[key]


@cache
def _engine_of(size: int) -> _Engine:
    """One engine for all readers of a process."""
    return _Engine(size)


def joined(lines: Iterable[str]) -> str:
    """Put lines together, each once, however it is spaced and in whatever case; a lone letter or sign is noise.

    >>> joined(["WAIT FOR IT", "$11.99", "·", "WAITFORIT"])
    'WAIT FOR IT / $11.99'
    """
    distinct: dict[str, str] = {}
    for line in lines:
        spelt = " ".join(line.split())
        distinct.setdefault("".join(spelt.split()).casefold(), spelt)
    return " / ".join(line for key, line in distinct.items() if sum(map(str.isalnum, key)) > 1)
