import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.core.weights import MODELS, weights_path
from cu_pipeline.features.extractor import Identity, Source, Vectors

MODEL: Final = "all-minilm-l6-v2"
WIDTH: Final = 384
_BATCH: Final = 32


class CaptionOptions(Options):
    """Parameters of the caption encoder.

    Attributes:
        max_tokens: a longer caption is cut.
    """

    max_tokens: int = Field(128, ge=8, le=512)


class CaptionEncoder:
    """Captions through all-MiniLM-L6-v2: token states averaged over the text, then scaled to length 1.

    Source: Reimers & Gurevych, "Sentence-BERT" (EMNLP 2019).

    Args:
        max_tokens: a longer caption is cut.
    """

    options: ClassVar[type[Options]] = CaptionOptions
    source: ClassVar[Source] = "text"
    sampling: None = None

    def __init__(self, max_tokens: int = 128) -> None:
        self._max_tokens = max_tokens

    @property
    def parameters(self) -> dict[str, int]:
        """The arguments it was made with."""
        return {"max_tokens": self._max_tokens}

    @cached_property
    def identity(self) -> Identity:
        """What decides the values."""
        return Identity(
            name="captions",
            version=1,
            shape=(WIDTH,),
            weights_sha256=MODELS[MODEL].sha256,
            parameters={"model": MODEL} | self.parameters,
        )

    def prepare(self, content: str) -> str:
        """The caption as it is."""
        return content

    def encode(self, prepared: Sequence[str]) -> Vectors:
        """Encode captions: float32 (captions, 384), each of length 1."""
        import torch

        if not prepared:
            return np.empty((0, WIDTH), dtype=np.float32)
        by_length = sorted(range(len(prepared)), key=lambda index: len(prepared[index]))
        vectors = np.empty((len(prepared), WIDTH), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(by_length), _BATCH):
                batch = by_length[start : start + _BATCH]
                vectors[batch] = self._encode_batch([prepared[index] for index in batch])
        return vectors

    def _encode_batch(self, texts: list[str]) -> Vectors:
        import torch

        tokenizer, network = self._model
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        states = network(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        vectors: Vectors = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from transformers import BertModel, BertTokenizerFast
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = str(weights_path(MODEL).parent)
        tokenizer = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
        return tokenizer, BertModel.from_pretrained(folder, local_files_only=True).eval()
