from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.features.checkpoint import Checkpoint
from cu_pipeline.features.clip_processor import ClipProcessor
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.frozen_model import FrozenModel, FrozenModelOptions
from cu_pipeline.media.sampling import Sampling

if TYPE_CHECKING:
    from av import VideoFrame

NAME: Final = "image_text"
"""Of the extractor."""

_SIGLIP: Final = "siglip"
_KNOWN: Final = ("clip", "chinese_clip", "metaclip_2", _SIGLIP)
"""Model types of which pictures and texts are encoded into the same space."""

_MASKED: Final = ["input_ids", "attention_mask"]


class ImageTextOptions(FrozenModelOptions):
    """Parameters of the image-text encoder.

    Attributes:
        count: frames a clip.
    """

    count: int = Field(8, ge=1, le=64)


class ImageText:
    """Frames of a clip, spread evenly over its time, through the image tower of a CLIP or SigLIP.

    Pictures are scaled and cropped as the checkpoint's processor says.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021); Zhai et
    al., "Sigmoid Loss for Language Image Pre-Training" (ICCV 2023).

    Args:
        checkpoint: the pretrained model, or the fields of one.
        count: frames a clip.
        batch: frames that are encoded together, at most.
        device: where it runs.
        precision: how precisely it computes.
    """

    options: ClassVar[type[Options]] = ImageTextOptions
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    source: ClassVar[Source] = "media"
    modality: ClassVar[str] = "frames"

    def __init__(
        self,
        checkpoint: Any,
        count: int = 8,
        batch: int = 32,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self._model = FrozenModel(Checkpoint.model_validate(checkpoint), device, precision)
        self._count = count
        self._batch = batch

    def __getstate__(self) -> dict[str, Any]:
        """Send the parameters and what pictures shall be like to worker processes, never the network."""
        return {"_model": self._model, "_count": self._count, "_batch": self._batch, "_processor": self._processor}

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments that make it again, with the same values."""
        return self._model.parameters | {"count": self._count, "batch": self._batch}

    @cached_property
    def identity(self) -> Identity:
        """What decides the values, the video decoder and its version among it."""
        from cu_pipeline.media.decoding import decoder_identity

        return Identity(
            name=NAME,
            version=1,
            shape=(self._count, self._width),
            weights_sha256=self._model.files.sha256,
            parameters={"count": self._count, "precision": self._model.computes_in},
            decoder=decoder_identity(),
        )

    @property
    def sampling(self) -> Sampling[NDArray[np.uint8]]:
        """Pictures as the network sees them, spread evenly over the clip's time."""
        return Sampling(self._count, self._shrink)

    def _shrink(self, frame: "VideoFrame") -> NDArray[np.uint8]:
        from cu_pipeline.media.decoding import shown_sides, upright

        return self._processor.apply(upright(frame, *shown_sides(frame)))

    def prepare(self, content: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """One clip's frames: uint8 RGB (count, height, width, 3)."""
        return np.stack(content)

    def encode(self, prepared: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Encode clips' frames: float32 (clips, count, width), each of length 1."""
        if not prepared:
            return np.empty((0, self._count, self._width), dtype=np.float32)
        frames = np.concatenate(prepared)
        batches = ({"frames": frames[start : start + self._batch]} for start in range(0, len(frames), self._batch))

        def forward(batch: dict[str, Any]) -> Any:
            pictures = self._processor.normalised(batch["frames"].permute(0, 3, 1, 2)).contiguous()
            return self._model.network.get_image_features(pixel_values=pictures).pooler_output

        return self._model.run(forward, batches).reshape(len(prepared), self._count, self._width)

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """Encode texts by the text tower: float32 (texts, width), each of length 1; at least one.

        Raises:
            ConfigurationError: the checkpoint has no usable tokenizer.
        """

        def forward(batch: dict[str, Any]) -> Any:
            return self._model.network.get_text_features(**batch).pooler_output

        return self._model.run(forward, self._tokens(texts))

    @property
    def sharpness(self) -> float:
        """What cosines of pictures and texts are multiplied by to become logits, as the checkpoint has learned it."""
        return float(self._model.network.logit_scale.detach().exp())

    def _tokens(self, texts: Sequence[str]) -> Iterator[dict[str, NDArray[np.int64]]]:
        config = self._model.config
        fill: bool | str = True
        used = _MASKED
        if config.model_type == _SIGLIP:
            # it has learned from small letters, filled up to the longest text, with no mask
            texts, fill, used = [text.lower() for text in texts], "max_length", ["input_ids"]
        for start in range(0, len(texts), self._batch):
            found = self._model.tokenizer(
                list(texts[start : start + self._batch]),
                padding=fill,
                padding_side="right",
                truncation=True,
                max_length=config.text_config.max_position_embeddings,
                return_attention_mask=True,
                return_tensors="np",
            )
            yield {name: np.asarray(found[name], dtype=np.int64) for name in used}

    @cached_property
    def _processor(self) -> ClipProcessor:
        config = self._model.config
        if config.model_type not in _KNOWN:
            raise ConfigurationError(
                f"checkpoint {self._model.checkpoint.name!r} is a {config.model_type!r}, which image_text does not "
                f"read; allowed: {', '.join(_KNOWN)}. Name an image-text model of one of these types"
            )
        processor = ClipProcessor.of_pictures(self._model.files.folder, config.model_type)
        side = config.vision_config.image_size
        if processor.crop != (side, side):
            raise ConfigurationError(
                f"checkpoint {self._model.checkpoint.name!r}: its processor makes pictures of {processor.crop} pixels, "
                f"and its network takes {side} by {side}. Correct its preprocessor_config.json"
            )
        return processor

    @cached_property
    def _width(self) -> int:
        self._processor  # noqa: B018 - another model would have other fields
        config = self._model.config
        return int(config.vision_config.hidden_size if config.model_type == _SIGLIP else config.projection_dim)
