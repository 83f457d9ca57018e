"""A transformers sequence classifier, fine-tuned on what clips say."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.options import Options
from cu_pipeline.features.checkpoint import device_of
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.family import Examples, Fitted, Logits, Weights, reads_forms
from cu_pipeline.models.fine_tuning import fine_tune
from cu_pipeline.models.fine_tuning_options import FineTuningOptions
from cu_pipeline.models.network_weights import load_network

_BATCH: Final = 32


class TextOptions(FineTuningOptions):
    """Parameters of a fine-tuned sequence classifier.

    Attributes:
        max_tokens: a longer text is cut.
    """

    max_tokens: int = Field(128, ge=8)


class TextModel:
    """A fine-tuned sequence classifier.

    Args:
        network: ready for inference.
        tokenizer: of its texts.
        max_tokens: a longer text is cut.
        classes: how many.
    """

    def __init__(self, network: Any, tokenizer: Any, max_tokens: int, classes: int) -> None:
        self._network, self._tokenizer = network, tokenizer
        self._most, self._classes = max_tokens, classes

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes). Texts of about one length go together, so that little is padded."""
        import torch

        from cu_pipeline.models.text_task import tokens

        texts = joined_texts(features)
        found = np.zeros((len(texts), self._classes), dtype=np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                batch = tokens(self._tokenizer, [texts[row] for row in rows], self._most)
                given = {name: value.to(self._network.device) for name, value in batch.items()}
                found[rows] = self._network(**given).logits.float().cpu().numpy()
        return found


class Text:
    """Any transformers sequence classifier, from a folder or a hub, all of it or small matrices beside it."""

    options: ClassVar[type[Options]] = TextOptions
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    revision: ClassVar[int | str] = "text/1"

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """The texts."""
        return reads_forms(shapes, "text")

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: TextOptions, seed: int) -> Fitted:
        """Fit the checkpoint; the epoch with the least validation loss is kept, the last one without validation."""
        texts = (joined_texts(train.features), joined_texts(validation.features))
        return fine_tune("text", texts, (train, validation), kind, options, seed)

    def load(self, config: dict[str, Any], weights: Weights) -> TextModel:
        """Build the network with its weights, on the best device there is."""
        from transformers import AutoModelForSequenceClassification

        from cu_pipeline.models.text_task import load_tokenizer, longest_text

        network = load_network(AutoModelForSequenceClassification, config["network"], weights, device_of("auto"))
        try:
            tokenizer = load_tokenizer(weights)
        except (OSError, ValueError) as error:
            raise BundleError(f"the tokenizer of the text model is damaged: {error}") from error
        longest = longest_text(network, tokenizer, int(config["max_tokens"]))
        return TextModel(network, tokenizer, longest, network.config.num_labels)


def joined_texts(features: ClipFeatures) -> list[str]:
    """All that each clip says, a line for each feature; "" where it says nothing."""
    columns: list[NDArray[Any]] = [feature.values for feature in features.features.values()]
    return ["\n".join(filter(None, row)) for row in zip(*columns, strict=True)] if columns else [""] * len(features)
