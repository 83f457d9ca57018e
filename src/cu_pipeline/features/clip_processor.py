"""How a checkpoint of transformers wants its pictures: size, crop and scale, as the file beside its weights says."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options

if TYPE_CHECKING:
    from torch import Tensor

Sides: TypeAlias = tuple[int, int]
"""Height and width in pixels."""

_NESTED: Final = "processor_config.json"
"""The file of a processor of several kinds, with a part for each."""

FILES: Final = (_NESTED, "video_preprocessor_config.json", "preprocessor_config.json")
"""Where transformers says it of videos, in the order in which it looks."""

_PICTURE_FILES: Final = ("preprocessor_config.json", _NESTED)
"""Likewise of pictures."""

_SQUARE: Final = ("siglip",)
"""Types of image-text models whose processors take a single number for both sides; those of others take it for the
shorter one."""

_CLIP: Final[Mapping[str, Any]] = {
    "size": 224,
    "crop_size": 224,
    "resample": 3,
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
}
_SIGLIP: Final[Mapping[str, Any]] = {
    "size": 224,
    "do_center_crop": False,
    "resample": 3,
    "image_mean": (0.5, 0.5, 0.5),
    "image_std": (0.5, 0.5, 0.5),
}
"""What the processors of image-text models do where their files say nothing."""

_RESAMPLING: Final[Mapping[int, Literal["bilinear", "bicubic"]]] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of what models use."""


class ClipProcessor(Options):
    """What is done to frames before a model sees them.

    transformers' own processors of videos need torchvision, which is not among the requirements. This one does the
    same: on tensors on any device, a step at a time, so that training can crop and colour in between, or by `apply` on
    pictures, in processes without torch. It is kept with a fitted model as JSON.

    Attributes:
        shorter: side in pixels to which the shorter one is scaled, the ratio kept; None: see `resize`.
        resize: sides to which frames are scaled otherwise; None: they are not.
        crop: what the model sees.
        interpolation: of scaling, with antialiasing.
        rescale: what levels from 0 to 255 are multiplied by.
        offset: then added to them.
        mean: by channel, then subtracted.
        std: by channel, then divided by.
    """

    shorter: int | None = Field(None, ge=1)
    resize: Sides | None = None
    crop: Sides
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    rescale: float = 1 / 255
    offset: float = 0.0
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def load(cls, checkpoint: str | Path) -> Self:
        """Read what lies with a checkpoint.

        Args:
            checkpoint: a local folder, or a name on the hub, whose file is fetched where it is not at hand.

        Raises:
            ConfigurationError: there is no such file, or it does not say enough.
        """
        name, config = _config(str(checkpoint), FILES, "video_processor")
        return cls.parsed(config, f"{checkpoint}/{name}")

    @classmethod
    def of_pictures(cls, folder: Path, model_type: str) -> Self:
        """Read what lies with an image-text model, whose processor may leave out what goes without saying.

        Args:
            folder: of the checkpoint.
            model_type: as its config.json says.

        Raises:
            ConfigurationError: there is no such file, or it asks for something that is not done here.
        """
        name, config = _config(str(folder), _PICTURE_FILES, "image_processor")
        given = dict(_SIGLIP if model_type in _SQUARE else _CLIP)
        given |= {key: value for key, value in config.items() if value is not None}
        if model_type in _SQUARE and isinstance(given["size"], int):
            given["size"] = {"height": given["size"], "width": given["size"]}
        found = cls.parsed(given, f"{folder}/{name}")
        if found.resize is None and not given.get("do_center_crop", True):
            raise ConfigurationError(
                f"{folder}/{name}: pictures keep their sides' ratio and are not cropped, so their size differs; "
                "allowed: do_center_crop true, or a size of both sides"
            )
        return found

    @classmethod
    def parsed(cls, config: Mapping[str, Any], where: str) -> Self:
        """Read what transformers' processors of images and videos save.

        Args:
            config: the JSON object.
            where: it was found, for errors.

        Raises:
            ConfigurationError: it does not say enough, or asks for what is not done here.
        """
        try:
            return cls._parsed(config, where)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{where} is no file of a processor: {error}") from error

    @classmethod
    def _parsed(cls, given: Mapping[str, Any], where: str) -> Self:
        if given.get("do_convert_grayscale"):
            raise ConfigurationError(f"{where}: do_convert_grayscale is not supported; allowed: false")
        shorter, resize = _scaled(given, where) if given.get("do_resize", True) else (None, None)
        crop = _sides(given.get("crop_size")) if given.get("do_center_crop", True) else None
        crop = crop or resize or _sides(shorter)
        if crop is None:
            raise ConfigurationError(f"{where} says neither size nor crop_size, so clips would have different sides")
        return cls(
            shorter=shorter,
            resize=resize,
            crop=crop,
            interpolation=_interpolation(given.get("resample"), where),
            **_levels(given, where),
        )

    def resized(self, frames: "Tensor") -> "Tensor":
        """Scale frames.

        Args:
            frames: (..., 3, height, width), levels from 0 to 255.

        Returns:
            float32 likewise, rounded to whole levels as Pillow's pictures are.
        """
        from torch.nn.functional import interpolate

        height, width = frames.shape[-2:]
        sides = self._scaled(height, width)
        if sides == (height, width):
            return frames.float()
        scaled = frames.reshape(-1, *frames.shape[-3:]).float()
        for passing in ((height, sides[1]), sides):  # Pillow scales along the width first, and keeps whole levels
            scaled = interpolate(scaled, passing, mode=self.interpolation, antialias=True, align_corners=False)
            scaled = scaled.round().clamp(0, 255)
        return scaled.reshape(*frames.shape[:-2], *sides)

    def views(self, frames: "Tensor", count: int = 1) -> "Tensor":
        """Cut what the model sees out of scaled frames; where they are smaller, black is around them.

        Args:
            frames: (..., 3, height, width), as `resized` gives them.
            count: views: 1, the centre; more, spread evenly along the longer side from one end to the other.

        Returns:
            (count, ..., 3, *crop).
        """
        import torch
        from torch.nn.functional import pad

        high, wide = (frames.shape[-2] - self.crop[0], frames.shape[-1] - self.crop[1])
        found = []
        for place in range(count):
            top, left = high // 2, wide // 2
            if count > 1 and wide >= high:
                left = wide * place // (count - 1)
            elif count > 1:
                top = high * place // (count - 1)
            found.append(pad(frames, (-left, left - wide, -top, top - high)))
        return torch.stack(found)

    def normalised(self, frames: "Tensor") -> "Tensor":
        """Turn levels from 0 to 255, (..., 3, height, width), into the numbers that the model takes: float32."""
        levels = frames.float()
        mean, std = (levels.new_tensor(one).reshape(3, 1, 1) for one in (self.mean, self.std))
        return (levels * self.rescale + self.offset - mean) / std

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale and crop an RGB picture by Pillow: (height, width, 3) to (*crop, 3)."""
        from PIL import Image

        height, width = self._scaled(picture.shape[0], picture.shape[1])
        if (height, width) != picture.shape[:2]:
            filtered = Image.Resampling[self.interpolation.upper()]
            picture = np.asarray(Image.fromarray(picture).resize((width, height), filtered))
        lacking = [max(wanted - had, 0) for wanted, had in zip(self.crop, picture.shape[:2], strict=True)]
        if any(lacking):
            picture = np.pad(picture, [*(((gap + 1) // 2, gap // 2) for gap in lacking), (0, 0)])
        top, left = ((had - wanted) // 2 for had, wanted in zip(picture.shape[:2], self.crop, strict=True))
        return picture[top : top + self.crop[0], left : left + self.crop[1]]

    def _scaled(self, height: int, width: int) -> Sides:
        """The sides to which a picture of these sides is scaled."""
        if self.shorter is None:
            return self.resize or (height, width)
        longer = self.shorter * max(height, width) // min(height, width)
        return (self.shorter, longer) if height <= width else (longer, self.shorter)


def _config(checkpoint: str, names: Sequence[str], part: str) -> tuple[str, Mapping[str, Any]]:
    """The first of a checkpoint's files that says something of such content, and what it says.

    Args:
        checkpoint: a folder, or a name on the hub.
        names: of the files, in the order in which they are looked for.
        part: of the file of a processor of several kinds.

    Raises:
        ConfigurationError: there is none, or it is damaged.
    """
    for name in names:
        found = _found(checkpoint, name)
        if found is None:
            continue
        try:
            config = json.loads(found.read_text(encoding="utf-8"))
            config = dict((config.get(part) or {}) if name == _NESTED else config)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{checkpoint}/{name} is no file of a processor: {error}") from error
        if config or name != _NESTED:
            return name, config
    raise ConfigurationError(
        f"checkpoint {checkpoint!r} has none of {', '.join(names)}, which say how its model wants frames: "
        "take it from where the checkpoint comes from, or write it with the processor's save_pretrained"
    )


def _found(checkpoint: str, name: str) -> Path | None:
    if Path(checkpoint).is_dir():
        return path if (path := Path(checkpoint) / name).is_file() else None
    from transformers.utils import cached_file, is_offline_mode

    try:
        found = cached_file(
            checkpoint, name, local_files_only=is_offline_mode(), _raise_exceptions_for_missing_entries=False
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"checkpoint {checkpoint!r} is neither a folder nor a name on the hub that can be read: {error}"
        ) from error
    return None if found is None else Path(found)


def _type(given: Mapping[str, Any]) -> str:
    names = ("video_processor_type", "image_processor_type", "feature_extractor_type")
    return next((given[name] for name in names if given.get(name)), "")


def _scaled(given: Mapping[str, Any], where: str) -> tuple[int | None, Sides | None]:
    """The shorter side, or both, to which frames are scaled."""
    size = given.get("size")
    if _type(given) == "VJEPA2VideoProcessor":  # it does not heed what the file says of size
        crop = _sides(given.get("crop_size")) or (256, 256)
        return int(crop[0] * 256 / 224), None
    if isinstance(size, int):  # of before sizes had names
        return size, None
    if isinstance(size, Mapping) and size.get("shortest_edge") and not size.get("longest_edge"):
        return int(size["shortest_edge"]), None
    if (sides := _sides(size)) is not None:
        return None, sides
    raise ConfigurationError(
        f'{where}: size={size!r}; allowed: {{"shortest_edge": n}}, {{"height": n, "width": n}}, or do_resize false'
    )


def _sides(given: Any) -> Sides | None:
    if isinstance(given, int):
        return given, given
    if isinstance(given, Mapping) and given.get("height") and given.get("width"):
        return int(given["height"]), int(given["width"])
    return None


def _interpolation(given: Any, where: str) -> Literal["bilinear", "bicubic"]:
    if given is None:
        return "bilinear"
    if given not in _RESAMPLING:
        raise ConfigurationError(f"{where}: resample={given!r}; allowed: 2 (bilinear), 3 (bicubic)")
    return _RESAMPLING[given]


def _levels(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Scale, offset, mean and deviation of levels."""
    is_vivit = _type(given).startswith("Vivit")
    scale, offset = 1.0, 0.0
    if given.get("do_rescale", True):
        scale = given.get("rescale_factor") or (1 / 127.5 if is_vivit else 1 / 255)
        offset = -1.0 if given.get("offset", is_vivit) else 0.0
    if not given.get("do_normalize", True):
        return {"rescale": scale, "offset": offset, "mean": (0, 0, 0), "std": (1, 1, 1)}
    absent = [name for name in ("image_mean", "image_std") if given.get(name) is None]
    if absent:
        raise ConfigurationError(f"{where} does not say {' and '.join(absent)}, and do_normalize is not false")
    return {
        "rescale": scale,
        "offset": offset,
        "mean": _channels(given["image_mean"]),
        "std": _channels(given["image_std"]),
    }


def _channels(given: float | Sequence[float]) -> Sequence[float]:
    return [given] * 3 if isinstance(given, int | float) else given
