import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision_goal import DecisionGoal
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.hashing import json_sha256, text_sha256
from cu_pipeline.core.scope import Scope
from cu_pipeline.features.clip_features import part_name
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.table import EXTRACTORS, FeatureInput
from cu_pipeline.models.families import family, packages_of
from cu_pipeline.models.family import History, Logits, Model, Weights
from cu_pipeline.models.reference import Reference

FORMAT: Final = 2
CONFIG: Final = "bundle.json"
_WEIGHTS: Final = "model.safetensors"
_REFERENCE: Final = "reference.parquet"
_CROSS_FITTED: Final = "cross_fitted"


@dataclass(frozen=True)
class Bundle:
    """All that is needed to predict one capability. On disk: safetensors and JSON, no pickle.

    Attributes:
        capability: its name.
        kind: one class, or any number of them.
        classes: in the order of the outputs.
        family: of the model, a name of `table.FAMILIES`.
        model: what the family keeps beside the weights.
        weights: name -> array, preprocessing included.
        inputs: extractor -> the feature that the model reads, in its order.
        temperature: that logits are divided by (Guo et al., "On calibration", 2017).
        thresholds: class -> probability over which a multi-label class holds, and a single-label one is answered.
        set_threshold: probability that a class reaches to be in a clip's prediction set; None: it gives no sets.
        trained_on: hash of everything that decided the weights.
        history: of the fit, a record a step: `epoch`, and measured values such as `loss` and `val_loss`.
        learned_from: `content_keys` of the clips that decided the weights, sorted; empty: not known.
        unlabelled: likewise of the clips that it would have learned from, had they had a label; None: not known. It
            is no part of the version.
        scope: the clips that it answers about. It is configured, not learned, and so no part of the version.
        decision: what its thresholds were set for; they are a part of the version, it is none.
        candidates: what `CandidateScore.to_json` says of each family that it was chosen from; no part of the version.
        cross_fitted: float32 (learned_from, classes): logits of the clips that decided the weights, by models that have
            not seen their units, NaN where none was asked; None: there are none.
        known_as: the version that it was given in an earlier format; "": its content alone decides the version.
        reference: the clips that it learned from, described for comparison with what it is asked about later; None: an
            earlier version made the bundle. It follows from the rest, and so is no part of the version.
        erased: how many of the clips that decided the weights were erased since; no part of the version.
    """

    capability: str
    kind: Kind
    classes: tuple[str, ...]
    family: str
    model: dict[str, Any]
    weights: Weights
    inputs: Mapping[str, FeatureInput]
    temperature: float = 1.0
    thresholds: dict[str, float] = field(default_factory=dict)
    set_threshold: float | None = None
    trained_on: str = ""
    history: History = field(default_factory=list)
    learned_from: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] | None = None
    scope: Scope = field(default_factory=Scope)
    decision: DecisionGoal = field(default_factory=DecisionGoal)
    candidates: tuple[dict[str, Any], ...] = ()
    cross_fitted: Logits | None = None
    known_as: str = ""
    reference: Reference | None = field(default=None, compare=False, repr=False)
    erased: int = 0

    @property
    def version(self) -> str:
        """A short hash of the content: equal bundles have equal versions."""
        return self.known_as or self._content[:12]

    @cached_property
    def _content(self) -> str:
        from safetensors.numpy import save

        return json_sha256([self._config, hashlib.sha256(save(self._arrays)).hexdigest()])

    @property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What the file of weights holds."""
        return dict(self.weights) | ({} if self.cross_fitted is None else {_CROSS_FITTED: self.cross_fitted})

    @property
    def answers(self) -> Capability:
        """What it recognises: kind and classes."""
        return Capability(kind=self.kind, classes=self.classes)

    def scoped(self, scope: Scope) -> "Bundle":
        """Let the same model answer about the clips of another scope; itself where that is the same."""
        return self if scope == self.scope else replace(self, scope=scope)

    def described_by(self, reference: Reference) -> "Bundle":
        """The same model with a description of what it learned from."""
        return replace(self, reference=reference)

    def for_serving(self) -> "Bundle":
        """The same model under the same version, without a word about the clips that it learned from.

        Who holds a clip could tell by its hash whether the model has learned from it.
        """
        untold: dict[str, Any] = {"learned_from": (), "unlabelled": None, "cross_fitted": None, "history": []}
        return replace(self, known_as=self.version, trained_on="", candidates=(), reference=None, **untold)

    def packages(self) -> set[str]:
        """The packages that answering by it needs, beside those of the service."""
        read = [set(getattr(EXTRACTORS[name], "packages", ())) for name in self.inputs]
        return packages_of(self.family, self.model).union(*read)

    def load_model(self) -> Model:
        """Make the model ready.

        Raises:
            BundleError: the weights do not fit.
        """
        try:
            return family(self.family).load(self.model, self.weights)
        except BundleError as error:
            raise BundleError(f"bundle {self.capability!r}: {error}") from error

    def extractors(self) -> dict[str, Extractor]:
        """Make the extractors that it reads.

        Raises:
            BundleError: this installation's extractors give other features.
        """
        try:
            return {name: one.extractor() for name, one in self.inputs.items()}
        except BundleError as error:
            raise BundleError(f"bundle {self.capability!r} {error}") from error

    @property
    def _config(self) -> dict[str, Any]:
        """The part of the JSON half that decides the version."""
        kept = {name: getattr(self, name) for name in ("capability", "family", "model", "temperature", "thresholds")}
        if self.set_threshold is not None:
            kept["set_threshold"] = self.set_threshold
        return kept | {
            "format": FORMAT,
            "kind": self.kind.value,
            "classes": list(self.classes),
            "inputs": [asdict(one) for one in self.inputs.values()],
            "trained_on": self.trained_on,
            "history": self.history,
            "learned_from": list(self.learned_from),
        }

    def save(self, folder: Path) -> None:
        """Write the bundle; the JSON comes last, so that a folder with it is whole."""
        from safetensors.numpy import save_file

        with atomic_path(folder / _WEIGHTS) as temporary:
            save_file(self._arrays, temporary)
        beside: dict[str, Any] = {} if self.unlabelled is None else {"unlabelled": list(self.unlabelled)}
        if self.scope.is_limited:
            beside["scope"] = self.scope.model_dump(mode="json")
        if self.decision.is_set:
            beside["decision"] = self.decision.model_dump(mode="json")
        if self.candidates:
            beside["candidates"] = list(self.candidates)
        if self.erased:
            beside["erased"] = self.erased
        if self.reference is None:
            (folder / _REFERENCE).unlink(missing_ok=True)
        else:
            with atomic_path(folder / _REFERENCE) as temporary:
                temporary.write_bytes(self.reference.content)
            beside["reference"] = self.reference.sha256
        text = json.dumps(self._config | beside | {"version": self.version, "content": self._content}, indent=2)
        write_text(folder / CONFIG, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Read a bundle, also one of an earlier format, and check it against its hash.

        Raises:
            BundleError: a file is absent or damaged, or the format is another.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            weights = load_file(folder / _WEIGHTS)
        except (OSError, ValueError, SafetensorError) as error:
            raise BundleError(f"{folder} holds no usable bundle ({error}). Run `make run` to make one.") from error
        if not isinstance(config, dict):
            raise BundleError(f"{folder}: {CONFIG} is no JSON object. Restore it, or train the model again.")
        form = config.pop("format", None)
        if form == 1:
            from cu_pipeline.models.earlier_bundle import converted

            return cls._parsed(*converted(folder, config, weights))
        if form != FORMAT:
            raise BundleError(f"{folder}: bundle format {form!r} is not {FORMAT}. Train the model again.")
        try:
            version, content = config.pop("version"), config.pop("content")
            reference = config.pop("reference", None)
            bundle = cls._parsed(config, weights)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{folder}: {CONFIG} lacks something or holds another ({error!r}). Restore it."
            ) from error
        if bundle._content != content:
            raise BundleError(f"{folder}: content hash is {bundle._content}, not {content}: a file was changed.")
        bundle = bundle if bundle.version == version else replace(bundle, known_as=version)
        return bundle if reference is None else bundle.described_by(Reference.read(folder / _REFERENCE, reference))

    @classmethod
    def _parsed(cls, config: dict[str, Any], weights: Weights) -> "Bundle":
        inputs = [FeatureInput(**one | {"shape": tuple(one["shape"])}) for one in config["inputs"]]
        typed = {
            "kind": Kind(config["kind"]),
            "classes": tuple(config["classes"]),
            "inputs": {one.name: one for one in inputs},
            "learned_from": tuple(config["learned_from"]),
            "unlabelled": tuple(config["unlabelled"]) if "unlabelled" in config else None,
            "scope": Scope.model_validate(config.get("scope", {})),
            "decision": DecisionGoal.model_validate(config.get("decision", {})),
            "candidates": tuple(config.get("candidates", ())),
        }
        own = {name: value for name, value in weights.items() if name != _CROSS_FITTED}
        return cls(weights=own, cross_fitted=weights.get(_CROSS_FITTED), **config | typed)


def content_keys(clips: pd.DataFrame) -> "pd.Series[str]":
    """A short hash of each clip's media and caption: equal contents have equal keys."""
    return (clips["media_sha256"] + "/" + clips["text_sha256"]).map(lambda content: text_sha256(content)[:16])


def under_scopes(bundles: Mapping[str, Bundle], capabilities: Mapping[str, Capability]) -> dict[str, Bundle]:
    """Let models answer about the clips that capabilities apply to now, whenever they were trained.

    Args:
        bundles: by capability.
        capabilities: by name; a model of another one keeps its scope.
    """
    return {
        name: bundle.scoped(capabilities[name].scope) if name in capabilities else bundle
        for name, bundle in bundles.items()
    }


def inputs_of(bundles: Iterable[Bundle]) -> list[FeatureInput]:
    """The distinct features that bundles read."""
    return list({part_name(one): one for bundle in bundles for one in bundle.inputs.values()}.values())
