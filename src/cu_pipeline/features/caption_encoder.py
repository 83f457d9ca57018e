from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.core.weights import MODELS, weights_path
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.minilm import IDS, MASK, WIDTH, text_model
from cu_pipeline.features.onnx_network import Batch, Network

MODEL: Final = "all-minilm-l6-v2"
_BATCH: Final = 8


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

    def __getstate__(self) -> dict[str, int]:
        """Send only the parameters to other processes, never the network."""
        return {"_max_tokens": self._max_tokens}

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
        vectors = np.empty((len(prepared), WIDTH), dtype=np.float32)
        tokens = [self._tokenizer.encode(text).ids for text in prepared]
        by_length = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
        batches = [by_length[start : start + _BATCH] for start in range(0, len(by_length), _BATCH)]
        encoded = self._network.run(_padded([tokens[index] for index in batch]) for batch in batches)
        for batch, values in zip(batches, encoded, strict=True):
            vectors[batch] = values
        return vectors

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(weights_path(MODEL).with_name("tokenizer.json")))
        tokenizer.enable_truncation(self._max_tokens)
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _network(self) -> Network:
        from safetensors.numpy import load_file

        return Network(text_model(load_file(weights_path(MODEL))))


def _padded(texts: Sequence[Sequence[int]]) -> Batch:
    """Put token ids of several lengths into one array, and say where there are any."""
    longest = max(map(len, texts))
    ids = np.array([[*text, *[0] * (longest - len(text))] for text in texts], dtype=np.int32)
    mask = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in texts], dtype=np.int32)
    return {IDS: ids, MASK: mask}
