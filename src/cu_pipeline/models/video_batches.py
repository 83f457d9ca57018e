"""Batches for video classifiers: some frames of each clip, with random changes in training and several crops after it.

Frames are read on the CPU (`read_clips`, where workers load data), and become what the model takes on whatever device
they are moved to (`TrainingViews`, `EvaluationViews`). All chance comes from torch's global generator, so that a run
that goes on from saved states of it makes the same batches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options, Share
from cu_pipeline.features.clip_processor import ClipProcessor
from cu_pipeline.features.pictures import Pictures

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class VideoInput:
    """What a video classifier of transformers takes.

    Attributes:
        name: of the argument: `pixel_values`, or `pixel_values_videos`; (clips, frames, 3, height, width).
        frames: of a clip.
    """

    name: str
    frames: int

    @classmethod
    def of(cls, model: Any) -> Self:
        """Ask a model, or its class's instance on any device.

        Raises:
            ConfigurationError: its configuration names no number of frames.
        """
        for name in ("num_frames", "frames_per_clip"):
            if (frames := getattr(model.config, name, None)) is not None:
                return cls(model.main_input_name, int(frames))
        raise ConfigurationError(
            f"a model of type {model.config.model_type!r} names neither num_frames nor frames_per_clip, so it is no "
            "video classifier; allowed are those of AutoModelForVideoClassification"
        )


class AugmentOptions(Options):
    """What chance changes in training clips, alike in all frames of a clip.

    Attributes:
        least_area: of the cut, as a share of the picture; 1: the largest cut of about the sides' ratio 3:4 to 4:3.
        flip: mirror half of the clips. Off, since text and directions get lost.
        colour: how far brightness, contrast and saturation change, as a share; the hue a quarter as far.
    """

    least_area: float = Field(0.5, gt=0, le=1)
    flip: bool = False
    colour: Share = 0.2


def centre_frames(stored: int, wanted: int) -> list[int]:
    """Choose the frames in the middle of equal segments of a clip.

    Args:
        stored: frames that there are.
        wanted: segments; where they are more than frames, some frames come again.

    Returns:
        Positions, ascending.

    >>> centre_frames(8, 4), centre_frames(2, 4)
    ([1, 3, 5, 7], [0, 0, 1, 1])
    """
    return [(2 * segment + 1) * stored // (2 * wanted) for segment in range(wanted)]


def random_frames(stored: int, wanted: int, generator: "Generator | None" = None) -> list[int]:
    """Choose a frame of each of equal segments of a clip by chance.

    Args:
        stored: frames that there are.
        wanted: segments; where they are more than frames, some frames come again.
        generator: draws; None: torch's global one.

    Returns:
        Positions, ascending.
    """
    import torch

    bounds = [segment * stored // wanted for segment in range(wanted + 1)]
    drawn = torch.rand(wanted, generator=generator).tolist()
    return [
        first + int(share * max(after - first, 1))
        for share, first, after in zip(drawn, bounds[:-1], bounds[1:], strict=True)
    ]


def read_clips(
    pictures: Pictures, rows: Sequence[int], wanted: int, choose: Callable[[int, int], list[int]] = centre_frames
) -> list["Tensor"]:
    """Decode the frames that a model looks at.

    Args:
        pictures: of n clips.
        rows: of the clips.
        wanted: frames of a clip.
        choose: `centre_frames`, or `random_frames` in training.

    Returns:
        For each clip uint8 (wanted, 3, height, width), of which sides differ between clips; (wanted, 3, 0, 0) of a
        clip without pictures.
    """
    import torch

    has = pictures.present
    places = [choose(pictures.shape[1], wanted) for _ in rows]
    return [
        torch.from_numpy(pictures.decoded(row, place)).permute(0, 3, 1, 2)
        if has[row]
        else torch.zeros((wanted, 3, 0, 0), dtype=torch.uint8)
        for row, place in zip(rows, places, strict=True)
    ]


class TrainingViews:
    """Cuts, mirrors and colours clips by chance, each as a whole.

    Args:
        processor: of the checkpoint.
        options: what chance may change.
    """

    def __init__(self, processor: ClipProcessor, options: AugmentOptions) -> None:
        self._processor = processor
        self._options = options

    def __call__(self, clips: Sequence["Tensor"]) -> "Tensor":
        """Make a batch.

        Args:
            clips: as `read_clips` gives them, all on one device.

        Returns:
            float32 (clips, frames, 3, height, width); zeros for a clip without pictures.
        """
        cut = _by_sides(clips, self._processor, lambda group: self._crop(self._processor.resized(group) / 255))
        return _blanked(self._processor.normalised(255 * self._change(cut)), clips)

    @cached_property
    def _crop(self) -> Any:
        from kornia.augmentation import RandomResizedCrop

        area, resample = (self._options.least_area, 1.0), self._processor.interpolation
        return _sequence(RandomResizedCrop(self._processor.crop, area, resample=resample, align_corners=False))

    @cached_property
    def _change(self) -> Any:
        from kornia.augmentation import ColorJiggle, RandomHorizontalFlip

        far = self._options.colour
        mirror = RandomHorizontalFlip(p=0.5 if self._options.flip else 0.0)
        return _sequence(mirror, ColorJiggle(far, far, far, far / 4, p=1.0 if far else 0.0))


class EvaluationViews:
    """Scales clips and cuts the middle out of them, or several views along the longer side.

    Args:
        processor: of the checkpoint.
        count: views of a clip, whose logits `mean_over_views` puts together. 1: the middle; 3: both ends, too.
    """

    def __init__(self, processor: ClipProcessor, count: int = 1) -> None:
        self._processor = processor
        self._count = count

    def __call__(self, clips: Sequence["Tensor"]) -> "Tensor":
        """Make a batch.

        Args:
            clips: as `read_clips` gives them, all on one device.

        Returns:
            float32 (clips × views, frames, 3, height, width), the views of a clip one after another; zeros for a clip
            without pictures.
        """
        cut = _by_sides(
            clips,
            self._processor,
            lambda group: self._processor.views(self._processor.resized(group), self._count).transpose(0, 1),
            (self._count,),
        )
        return _blanked(self._processor.normalised(cut), clips).flatten(0, 1)


def mean_over_views(logits: "Tensor", count: int) -> "Tensor":
    """Put the logits (clips × count, classes) of several views of clips together: (clips, classes).

    VideoPrism's, which have an axis of length 1 between these two, come out likewise.
    """
    return logits.reshape(-1, count, logits.shape[-1]).mean(1)


def _sequence(*changes: Any) -> Any:
    from kornia.augmentation import VideoSequential

    return VideoSequential(*changes, data_format="BTCHW", same_on_frame=True)


def _by_sides(
    clips: Sequence["Tensor"],
    processor: ClipProcessor,
    change: Callable[["Tensor"], "Tensor"],
    axes: tuple[int, ...] = (),
) -> "Tensor":
    """Change clips to (clips, *axes, frames, 3, *crop), those of the same sides at once; zeros without pictures."""
    import torch

    frames, device = clips[0].shape[0], clips[0].device
    changed = torch.zeros((len(clips), *axes, frames, 3, *processor.crop), device=device)
    rows: dict[tuple[int, ...], list[int]] = {}
    for row, clip in enumerate(clips):
        if clip.numel():
            rows.setdefault(tuple(clip.shape), []).append(row)
    for group in rows.values():
        changed[group] = change(torch.stack([clips[row] for row in group]))
    return changed


def _blanked(batch: "Tensor", clips: Sequence["Tensor"]) -> "Tensor":
    absent = [row for row, clip in enumerate(clips) if not clip.numel()]
    batch[absent] = 0
    return batch
