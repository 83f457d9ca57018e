"""Texts as a transformers sequence classifier reads them."""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features.checkpoint_loading import tokenizer_of
from cu_pipeline.models.family import Weights
from cu_pipeline.models.network_weights import pretrained

_log = logging.getLogger(__name__)

_FILES: Final = "tokenizer/"


class TextTask:
    """Fits a sequence classifier.

    Args:
        checkpoint: its folder.
        options: `TextOptions`.
    """

    def __init__(self, checkpoint: Path, options: Any) -> None:
        self._checkpoint, self._most = checkpoint, options.max_tokens
        self._tokenizer = tokenizer_of(checkpoint)

    def network(self, classes: int) -> Any:
        """The checkpoint with a new head, unless it has one for so many classes.

        Raises:
            ConfigurationError: it is no sequence classifier, or its tokenizer is another network's.
        """
        from transformers import AutoModelForSequenceClassification

        network = pretrained(AutoModelForSequenceClassification, self._checkpoint, classes)
        known = network.get_input_embeddings()
        if isinstance(known, torch.nn.Embedding) and len(self._tokenizer) > known.num_embeddings:
            raise ConfigurationError(
                f"checkpoint {self._checkpoint}: its tokenizer knows {len(self._tokenizer)} tokens, and its network "
                f"only {known.num_embeddings}: take both from one place, or save the network again after "
                "resize_token_embeddings"
            )
        if network.config.pad_token_id is None:
            network.config.pad_token_id = self._tokenizer.pad_token_id
        longest = longest_text(network, self._tokenizer, self._most)
        if longest < self._most:
            _log.info("train.text.max_tokens=%d is more than the network reads: %d it is", self._most, longest)
        self._most = longest
        return network

    def read(self, content: str, drawn: torch.Generator | None) -> str:  # noqa: ARG002 - nothing is drawn
        """The text."""
        return content

    def batch(self, contents: Sequence[str]) -> dict[str, Tensor]:
        """Tokens, padded to the longest text."""
        return tokens(self._tokenizer, contents, self._most)

    def inputs(self, batch: dict[str, Any], *, training: bool) -> dict[str, Tensor]:  # noqa: ARG002 - nothing is changed
        """The batch."""
        return batch

    def kept(self) -> tuple[dict[str, Any], Weights]:
        """How long texts may be, and the tokenizer's files."""
        with tempfile.TemporaryDirectory() as scratch:
            self._tokenizer.save_pretrained(scratch)
            files = {path.name: path.read_bytes() for path in sorted(Path(scratch).iterdir()) if path.is_file()}
        arrays = {f"{_FILES}{name}": np.frombuffer(content, dtype=np.uint8) for name, content in files.items()}
        return {"max_tokens": self._most}, arrays


def tokens(tokenizer: Any, texts: Sequence[str], most: int) -> dict[str, Tensor]:
    """Token ids and masks (n, longest), a longer text cut."""
    return dict(tokenizer(list(texts), truncation=True, max_length=most, padding=True, return_tensors="pt"))


def longest_text(network: Any, tokenizer: Any, wanted: int) -> int:
    """Tokens of a text, at most: as many as wanted, and no more than the tokenizer allows and the network has places.

    RoBERTa and its kin count places from behind that of padding.
    """
    limits = [wanted, tokenizer.model_max_length]
    limits += [
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in network.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding)
    ]
    return int(min(limits))


def load_tokenizer(weights: Weights) -> Any:
    """Make the tokenizer whose files a bundle keeps."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as scratch:
        for name, content in weights.items():
            if name.startswith(_FILES):
                (Path(scratch) / Path(name.removeprefix(_FILES)).name).write_bytes(_bytes(content))
        return AutoTokenizer.from_pretrained(scratch)


def _bytes(content: NDArray[Any]) -> bytes:
    return content.astype(np.uint8).tobytes()
