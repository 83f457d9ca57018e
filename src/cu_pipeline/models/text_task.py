"""Texts as a transformers sequence classifier reads them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cu_pipeline.models.family import Weights

_FILES: Final = "tokenizer/"


class TextTask:
    """Fits a sequence classifier.

    Args:
        checkpoint: its folder.
        options: `TextOptions`.
    """

    def __init__(self, checkpoint: Path, options: Any) -> None:
        from transformers import AutoTokenizer

        self._checkpoint, self._most = checkpoint, options.max_tokens
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def network(self, classes: int) -> Any:
        """The checkpoint with a new head, unless it has one for so many classes."""
        from transformers import AutoModelForSequenceClassification

        network = AutoModelForSequenceClassification.from_pretrained(
            self._checkpoint, num_labels=classes, ignore_mismatched_sizes=True, dtype=torch.float32
        )
        if network.config.pad_token_id is None:
            network.config.pad_token_id = self._tokenizer.pad_token_id
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
