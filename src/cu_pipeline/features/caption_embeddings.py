import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.features.checkpoint import Checkpoint
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.frozen_model import FrozenModel, FrozenModelOptions

_POOLINGS: Final = {"mean": "mean", "cls": "cls", "mean_tokens": "mean", "cls_token": "cls"}
"""What sentence-transformers calls a pooling, in files of today and of before -> what it is."""

_PREFIX: Final = "pooling_mode_"


class CaptionEmbeddingOptions(FrozenModelOptions):
    """Parameters of the sentence encoder.

    Attributes:
        max_tokens: a longer caption is cut; the network's own limit counts, too.
        prefix: put before each caption, where the model was trained so: `query: ` for E5.
    """

    max_tokens: int = Field(128, ge=8, le=8192)
    prefix: str = ""


class CaptionEmbeddings:
    """Captions through a sentence encoder of transformers: token states pooled as the checkpoint says, else their mean.

    Source: Reimers & Gurevych, "Sentence-BERT" (EMNLP 2019).

    Args:
        checkpoint: the pretrained model, or the fields of one.
        batch: captions that are encoded together, at most.
        device: where it runs.
        precision: how precisely it computes.
        max_tokens: a longer caption is cut.
        prefix: put before each caption.
    """

    options: ClassVar[type[Options]] = CaptionEmbeddingOptions
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    source: ClassVar[Source] = "text"
    sampling: None = None

    def __init__(
        self,
        checkpoint: Any,
        batch: int = 32,
        device: str = "auto",
        precision: str = "auto",
        max_tokens: int = 128,
        prefix: str = "",
    ) -> None:
        self._model = FrozenModel(Checkpoint.model_validate(checkpoint), device, precision)
        self._batch = batch
        self._max_tokens = max_tokens
        self._prefix = prefix

    def __getstate__(self) -> dict[str, Any]:
        """Send only the parameters to other processes, never the network."""
        return {name: getattr(self, name) for name in ("_model", "_batch", "_max_tokens", "_prefix")}

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments that make it again, with the same values."""
        own = {"batch": self._batch, "max_tokens": self._max_tokens, "prefix": self._prefix}
        return self._model.parameters | own

    @cached_property
    def identity(self) -> Identity:
        """What decides the values."""
        return Identity(
            name="caption_embeddings",
            version=1,
            shape=(int(self._model.config.hidden_size),),
            weights_sha256=self._model.files.sha256,
            parameters={
                "max_tokens": self._max_tokens,
                "prefix": self._prefix,
                "pooling": self._pooling,
                "precision": self._model.computes_in,
            },
        )

    def prepare(self, content: str) -> str:
        """The caption with its prefix."""
        return self._prefix + content

    def encode(self, prepared: Sequence[str]) -> Vectors:
        """Encode captions: float32 (captions, width), each of length 1."""
        if not prepared:
            return np.empty((0, *self.identity.shape), dtype=np.float32)
        tokenizer = self._model.tokenizer
        tokens = tokenizer(list(prepared), truncation=True, max_length=self._longest)["input_ids"]
        order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        parts = [order[start : start + self._batch] for start in range(0, len(order), self._batch)]
        batches = (
            dict(tokenizer.pad({"input_ids": [tokens[place] for place in part]}, return_tensors="np")) for part in parts
        )
        vectors = np.empty((len(prepared), *self.identity.shape), dtype=np.float32)
        vectors[order] = self._model.run(self._forward, batches)
        return vectors

    def _forward(self, batch: dict[str, Any]) -> Any:
        states = self._model.network(**batch).last_hidden_state
        if self._pooling == "cls":
            return states[:, 0]
        mask = batch["attention_mask"].unsqueeze(-1)
        return (states.float() * mask).sum(1) / mask.sum(1).clamp(min=1)

    @property
    def _longest(self) -> int:
        """Tokens of a caption, at most."""
        limit = self._model.tokenizer.model_max_length  # an endless one where the checkpoint does not say
        return min(self._max_tokens, limit, getattr(self._model.config, "max_position_embeddings", limit))

    @cached_property
    def _pooling(self) -> Literal["mean", "cls"]:
        """How token states become a vector.

        Raises:
            ConfigurationError: in a way that is not known here.
        """
        folder = self._model.files.folder
        given = _read_json(folder / "1_Pooling" / "config.json")
        told = given.get("pooling_mode") or [
            key.removeprefix(_PREFIX) for key, holds in given.items() if key.startswith(_PREFIX) and holds is True
        ]
        modes = ([told] if isinstance(told, str) else list(told)) or ["mean"]
        dense = [one["type"] for one in _read_json(folder / "modules.json") or [] if one["type"].endswith(".Dense")]
        if len(modes) > 1 or modes[0] not in _POOLINGS or dense:
            told = ", ".join([*modes, *dense])
            raise ConfigurationError(
                f"checkpoint {self._model.checkpoint.name!r} pools token states by {told}; allowed: the mean of tokens "
                "or the first one, and no further layer. Name another sentence encoder"
            )
        return "cls" if _POOLINGS[modes[0]] == "cls" else "mean"


def _read_json(file: Path) -> Any:
    """Read one of a checkpoint's JSON files; {} where there is none.

    Raises:
        ConfigurationError: it is damaged.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise ConfigurationError(f"{file} is no JSON ({error}): download or save the checkpoint again") from error
