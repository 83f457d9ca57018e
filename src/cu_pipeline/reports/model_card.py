"""What a model is, learned from and is worth, as a card that people read before they use it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import Split
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.evaluation.metrics import METRICS
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.sources.source import source_title
from cu_pipeline.models.bundle import Bundle

_SHOWN: Final = {"test": "test", "cross_fitted": "cross-fitted"}
"""The parts of what was measured that tell of clips which the model has not seen -> their names."""

_WEAK: Final = 0.5
"""Recall under which a class is told to be recognised badly."""


@dataclass(frozen=True)
class Data:
    """What a model could learn from.

    Attributes:
        snapshot: id of the version of the data.
        card: the `data_card` dataset.
        sources: capability -> in words, how many labels are whose.
        guarantee: capability -> in words, how sure machine labels are.
        capabilities: by name, those that are learned.
    """

    snapshot: str
    card: Mapping[str, Any]
    sources: Mapping[str, str]
    guarantee: Mapping[str, str]
    capabilities: Mapping[str, Capability]


def describe_data(
    snapshot: str,
    card: Mapping[str, Any],
    labels: pd.DataFrame,
    guarantee: Mapping[str, Guarantee],
    resolved: ResolvedCapabilities,
) -> Data:
    """Gather what model cards say of the data.

    Args:
        snapshot: id of the version of the data.
        card: the `data_card` dataset.
        labels: of all clips.
        guarantee: the `guarantee` dataset.
        resolved: the capabilities that are learned.
    """
    sizes = labels.groupby(["capability", "source"]).size()
    sources = {
        str(name): ", ".join(f"{n:,} by {source_title(str(source))}" for source, n in found.droplevel(0).items())
        for name, found in sizes.groupby(level=0)
    }
    said = {name: found.message.removeprefix(f"{name}: ") for name, found in guarantee.items()}
    return Data(snapshot, card, sources, said, resolved.active)


@dataclass(frozen=True)
class ModelCard:
    """A card about one capability's model.

    Attributes:
        capability: its name.
        bundle: the model.
        measured: its part of the `metrics` dataset.
        gate: its row of the `gate` dataset; None: it was not tested.
        run: the MLflow run that its files came from; "": not known.
        data: what it could learn from.
        insights: its part of the `insights` dataset.
    """

    capability: str
    bundle: Bundle
    measured: Mapping[str, Any]
    gate: Mapping[str, Any] | None
    run: str
    data: Data
    insights: Mapping[str, Any]

    @property
    def description(self) -> str:
        """What it recognises, in words; "" where nobody said."""
        found = self.data.capabilities.get(self.capability)
        return found.description if found else ""

    @property
    def classes(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Each class with its description and what was measured of it on the test split."""
        found = self.data.capabilities.get(self.capability)
        said = found.class_descriptions if found else {}
        per_class = self.measured.get("per_class", {})
        return [(name, said.get(name, ""), per_class.get(name, {})) for name in self.bundle.classes]

    @property
    def splits(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What was measured on clips that it has not seen."""
        return [(title, self.measured[key]) for key, title in _SHOWN.items() if self.measured.get(key)]

    @property
    def metrics(self) -> list[str]:
        """The metrics that were measured on any split."""
        return [name for name in METRICS if any(found.get(name) is not None for _, found in self.splits)]

    @property
    def learned_from(self) -> int:
        """How many clips decided its weights; 0: not known."""
        return len(self.bundle.learned_from)

    @property
    def modalities(self) -> list[Mapping[str, Any]]:
        """What each modality adds, where that was measured."""
        return list(self.insights.get("modalities") or [])

    @property
    def weak_slices(self) -> list[Mapping[str, Any]]:
        """The kinds of clips on which it is shown to be worse than on others."""
        return [row for row in (self.measured.get("slices") or {}).get("rows", []) if row["worse"]]

    @property
    def limits(self) -> list[str]:
        """What it must not be used for, from its scope and from what was measured."""
        return list(_limits(self))


def _limits(card: ModelCard) -> Iterator[str]:
    scope = card.bundle.scope.in_words()
    if scope:
        yield f"Other clips than those that it applies to: {scope}."
    yield f"Anything but {', '.join(card.bundle.classes)}: it has no class for what it has not seen."
    clips = card.data.card.get("clips", {})
    languages = ", ".join(name for name, _ in card.data.card.get("languages", []))
    yield (
        f"Clips unlike those of this feed without measuring it on them first: {clips.get('creators', 0):,} creators, "
        f"captions in {languages or 'unknown languages'}."
    )
    for row in card.weak_slices:
        yield (
            f"Clips with {str(row['column']).replace('_', ' ')} {row['value']}, unless an accuracy of "
            f"{row['accuracy']:.1%} is enough there (elsewhere {row['rest']:.1%}; {row['n']} clips)."
        )
    for name, _, found in card.classes:
        if found and found["recall"] < _WEAK:
            yield f"Finding every clip of class {name}: it finds {found['recall']:.0%} of {found['support']}."
    yield "Decisions about a person without another person's look: it judges clips, and errs as the tables below say."


def measured_models(
    bundles: Mapping[str, Bundle],
    champions: Mapping[str, Bundle],
    metrics: Mapping[str, Mapping[str, Any]],
    gate: Mapping[str, Mapping[str, Any]],
    insights: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Find the model that was measured of each capability: the one that serves, else the trained one.

    Args:
        bundles: that were trained last.
        champions: that serve.
        metrics: the `metrics` dataset.
        gate: the `gate` dataset.
        insights: the `insights` dataset; what it says of another version is left out.

    Returns:
        Capability -> these parts of a `ModelCard`; none where the measured model is gone.
    """
    found = {}
    for name, measured in metrics.items():
        models = [one[name] for one in (champions, bundles) if name in one]
        model = next((one for one in models if one.version == measured.get("model_version")), None)
        if model is not None and Split.TEST in measured:
            told = insights.get(name) or {}
            told = told if told.get("model_version") == model.version else {}
            found[name] = {"bundle": model, "measured": measured, "gate": gate.get(name), "insights": told}
    return found
