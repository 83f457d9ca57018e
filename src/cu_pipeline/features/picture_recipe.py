"""How a checkpoint wants its pictures, read from its processor's file, without transformers or torchvision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.errors import ConfigurationError

_FILE: Final = "preprocessor_config.json"
_NESTED_FILE: Final = "processor_config.json"
_NESTED: Final = "image_processor"
_BICUBIC: Final = 3
_SQUARE: Final = ("siglip",)
"""Model types whose processors take a single number for both sides; those of others take it for the shorter one."""

_OPENAI_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_OPENAI_DEVIATION: Final = (0.26862954, 0.26130258, 0.27577711)
_MIDDLE: Final = (0.5, 0.5, 0.5)

Sides = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class PictureRecipe:
    """How a frame becomes a network's input.

    Attributes:
        shorter_edge: in pixels, that the picture is scaled to with its sides' ratio kept; 0: it is not.
        stretched: sides that it is scaled to whatever they were; None: it is not.
        crop: sides of the part in the middle that is kept; None: all is.
        resample: Pillow's number of the filter.
        scale: that bytes are multiplied by.
        mean: of each channel, taken away then.
        deviation: of each channel, divided by then.
    """

    shorter_edge: int
    stretched: Sides | None
    crop: Sides | None
    resample: int
    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @classmethod
    def read(cls, folder: Path, model_type: str) -> Self:
        """Read a checkpoint's processor.

        Args:
            folder: of the checkpoint.
            model_type: as its config.json says.

        Raises:
            ConfigurationError: there is none, or it asks for something that is not done here.
        """
        try:
            return cls._parsed(_processor(folder), square=model_type in _SQUARE)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"checkpoint {folder}: its {_FILE} cannot be used ({type(error).__name__}: {error}). Allowed: size, "
                "crop_size, resample, rescale_factor, image_mean and image_std as processors of CLIP and SigLIP have "
                "them, with pictures of one size as the result"
            ) from error

    @classmethod
    def _parsed(cls, given: Mapping[str, Any], *, square: bool) -> Self:
        size = given.get("size", 224) if given.get("do_resize", True) else {}
        shorter_edge, stretched = _scaling(size, square=square)
        crop = None
        if given.get("do_center_crop", not square):
            crop = _sides(given.get("crop_size", 224))
        if crop is None and stretched is None:
            raise ValueError("pictures keep their sides' ratio and are not cropped, so their size differs")
        means = (_MIDDLE, _MIDDLE) if square else (_OPENAI_MEAN, _OPENAI_DEVIATION)
        mean, deviation = ((0.0,) * 3, (1.0,) * 3)
        if given.get("do_normalize", True):
            mean, deviation = given.get("image_mean") or means[0], given.get("image_std") or means[1]
        return cls(
            shorter_edge,
            stretched,
            crop,
            int(given.get("resample", _BICUBIC)),
            float(given.get("rescale_factor", 1 / 255)) if given.get("do_rescale", True) else 1.0,
            _three(mean),
            _three(deviation),
        )

    @property
    def sides(self) -> Sides:
        """Of every picture that `apply` gives."""
        found = self.crop or self.stretched
        if found is None:
            raise ValueError("a recipe without a crop stretches")
        return found

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale and crop an RGB picture (height, width, 3), as transformers' processors on Pillow do."""
        from PIL import Image

        height, width = self._scaled(picture.shape[0], picture.shape[1])
        if (height, width) != picture.shape[:2]:
            image = Image.fromarray(picture).resize((width, height), Image.Resampling(self.resample))
            picture = np.asarray(image)
        return picture if self.crop is None else _cropped(picture, self.crop)

    def normalised(self, pictures: Any) -> Any:
        """Turn a tensor of bytes (n, height, width, 3) into float32 (n, 3, height, width), where it lies."""
        import torch

        mean, deviation = (torch.tensor(values, device=pictures.device) for values in (self.mean, self.deviation))
        return ((pictures.float() * self.scale - mean) / deviation).permute(0, 3, 1, 2).contiguous()

    def _scaled(self, height: int, width: int) -> Sides:
        if self.stretched is not None:
            return self.stretched
        if not self.shorter_edge:
            return height, width
        longer = self.shorter_edge * max(height, width) // min(height, width)
        return (longer, self.shorter_edge) if width <= height else (self.shorter_edge, longer)


def _processor(folder: Path) -> Mapping[str, Any]:
    file, nested = folder / _FILE, folder / _NESTED_FILE
    if file.is_file() or not nested.is_file():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    return dict(json.loads(nested.read_text(encoding="utf-8"))[_NESTED])


def _scaling(size: Any, *, square: bool) -> tuple[int, Sides | None]:
    """The shorter edge, or both sides, that pictures are scaled to."""
    if isinstance(size, int):
        return (0, (size, size)) if square else (size, None)
    if set(size) - {"shortest_edge", "height", "width"}:
        raise ValueError(f"size is {size}")
    if "height" in size:
        return 0, _sides(size)
    return int(size.get("shortest_edge", 0)), None


def _sides(given: Any) -> Sides:
    return (given, given) if isinstance(given, int) else (int(given["height"]), int(given["width"]))


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def _cropped(picture: NDArray[np.uint8], sides: Sides) -> NDArray[np.uint8]:
    """The middle of a picture, with black around what is smaller."""
    lacking = [max(wanted - had, 0) for wanted, had in zip(sides, picture.shape[:2], strict=True)]
    if any(lacking):
        around = [((gap + 1) // 2, gap // 2) for gap in lacking]
        picture = np.pad(picture, [*around, (0, 0)])
    top, left = ((had - wanted) // 2 for had, wanted in zip(picture.shape[:2], sides, strict=True))
    return picture[top : top + sides[0], left : left + sides[1]]
