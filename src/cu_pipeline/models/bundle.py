import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.hashing import json_sha256, text_sha256

if TYPE_CHECKING:
    from torch import Tensor

    from cu_pipeline.models.fusion_network import FusionHead

FORMAT: Final = 1
_CONFIG: Final = "bundle.json"
_WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True)
class Bundle:
    """All that is needed to predict one capability. On disk: safetensors and JSON, no pickle.

    Attributes:
        capability: its name.
        kind: one class, or any number of them.
        classes: in the order of the outputs.
        head: shape of the head, as keyword arguments of `HeadConfig`.
        weights: the head's state, preprocessing included.
        extractors: name -> parameters and fingerprint of each feature that the head reads.
        temperature: that logits are divided by (Guo et al., "On calibration", 2017).
        thresholds: class -> probability from which a multi-label class holds.
        trained_on: hash of everything that decided the weights.
        history: of the fit, a record an epoch: epoch, loss, val_loss, learning_rate.
        learned_from: `content_keys` of the clips that decided the weights, sorted; empty: not known.
        unlabelled: likewise of the clips that it would have learned from, had they had a label; None: not known. It
            is no part of the version.
    """

    capability: str
    kind: Kind
    classes: tuple[str, ...]
    head: dict[str, Any]
    weights: "Mapping[str, Tensor]"
    extractors: dict[str, dict[str, Any]]
    temperature: float = 1.0
    thresholds: dict[str, float] = field(default_factory=dict)
    trained_on: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    learned_from: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] | None = None

    @cached_property
    def version(self) -> str:
        """A short hash of the content: equal bundles have equal versions."""
        from safetensors.torch import save

        weights = hashlib.sha256(save(dict(self.weights))).hexdigest()
        return json_sha256([self.config, weights])[:12]

    @property
    def config(self) -> dict[str, Any]:
        """The JSON half of the bundle."""
        return {
            "format": FORMAT,
            "capability": self.capability,
            "kind": self.kind.value,
            "classes": list(self.classes),
            "head": self.head,
            "extractors": self.extractors,
            "temperature": self.temperature,
            "thresholds": self.thresholds,
            "trained_on": self.trained_on,
            "history": self.history,
        } | ({"learned_from": list(self.learned_from)} if self.learned_from else {})

    def network(self) -> "FusionHead":
        """Build the head with its weights, ready for inference.

        Raises:
            BundleError: the weights do not fit the head's shape.
        """
        from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

        head = FusionHead(HeadConfig(**self.head))
        try:
            head.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            raise BundleError(f"bundle {self.capability!r}: weights do not fit the head: {error}") from error
        return head.eval()

    def save(self, folder: Path) -> None:
        """Write the bundle; the JSON comes last, so that a folder with it is whole."""
        from safetensors.torch import save_file

        with atomic_path(folder / _WEIGHTS) as temporary:
            save_file(dict(self.weights), temporary)
        beside = {} if self.unlabelled is None else {"unlabelled": list(self.unlabelled)}
        text = json.dumps(self.config | beside | {"version": self.version}, indent=2, sort_keys=True)
        write_text(folder / _CONFIG, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Read a bundle and check it against its version.

        Raises:
            BundleError: a file is absent or damaged, or the format is another.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
            weights = load_file(folder / _WEIGHTS)
        except (OSError, ValueError, SafetensorError) as error:
            raise BundleError(f"{folder} holds no usable bundle ({error}). Run `make run` to make one.") from error
        written, form = config.pop("version", None), config.pop("format", None)
        if form != FORMAT:
            raise BundleError(f"{folder}: bundle format {form!r} is not {FORMAT}. Train the model again.")
        config["kind"], config["classes"] = Kind(config["kind"]), tuple(config["classes"])
        config["learned_from"] = tuple(config.get("learned_from", ()))
        config["unlabelled"] = tuple(config["unlabelled"]) if "unlabelled" in config else None
        bundle = cls(weights=weights, **config)
        if bundle.version != written:
            raise BundleError(f"{folder}: content hash is {bundle.version}, not {written}: a file was changed.")
        return bundle


def content_keys(clips: pd.DataFrame) -> "pd.Series[str]":
    """Give a short hash of each clip's media and caption: equal contents have equal keys."""
    return (clips["media_sha256"] + "/" + clips["text_sha256"]).map(lambda content: text_sha256(content)[:16])
