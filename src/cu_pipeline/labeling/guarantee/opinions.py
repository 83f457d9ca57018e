"""What is known while sources speak one after the other: each node that asks one hands this on with more in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.lean import below, beside
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.copies import without_copies
from cu_pipeline.labeling.guarantee.calibration_set import prior_knowledge
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.sources.eligibility import all_eligible

MOST_UNANSWERED: Final = 0.01
"""Share of questions without an answer above which a model counts as out of reach, not as silent on a few clips."""


@dataclass(frozen=True)
class Asked:
    """How far a language model was asked about a capability's clips.

    Attributes:
        clips: asked about.
        unanswered: of these; whoever answered something that names no class has answered.
        spared: clips not asked about, since their label is certain without.
    """

    clips: int = 0
    unanswered: int = 0
    spared: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether so few questions are open that they may be taken for ones which are never answered."""
        return self.unanswered <= MOST_UNANSWERED * self.clips


def priced(annotations: pd.DataFrame) -> pd.DataFrame:
    """Give annotations that nothing was paid for a price of 0."""
    return beside(annotations, price=annotations["price"].fillna(0.0))


@dataclass(frozen=True)
class Opinions:
    """What everybody said so far, and all else that is needed to certify labels.

    Attributes:
        clips: the table of usable clips.
        capabilities: that are labelled, and those that are not.
        annotations: of all who spoke so far, with a price each.
        calibration: table of clips that sources are tested on, with people's labels.
        guarantee: what is guaranteed.
        human_price: US dollars for a person's label.
        ineligible: table of the clips about which a source was not asked.
        versions: capability -> what, besides the annotators' versions, decides what sources answer, a part each.
        awaited: capability -> language model -> version of its answers that are still to come.
        asked: capability -> language model -> how far it was asked.
    """

    clips: pd.DataFrame
    capabilities: ResolvedCapabilities
    annotations: pd.DataFrame
    calibration: pd.DataFrame
    guarantee: GuaranteeOptions
    human_price: float
    ineligible: pd.DataFrame = field(default_factory=all_eligible)
    versions: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    awaited: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, Asked]] = field(default_factory=dict)

    @property
    def active(self) -> Mapping[str, Capability]:
        """The capabilities that are labelled, by name."""
        return self.capabilities.active

    def clips_of(self, name: str) -> pd.DataFrame:
        """The clips that a capability applies to."""
        return self.capabilities.clips_of(name, self.clips)

    def single_clips(self, name: str) -> pd.DataFrame:
        """The clips that a capability applies to and that are no copy of another of them."""
        return without_copies(self.clips_of(name))

    @property
    def known(self) -> pd.DataFrame:
        """The annotations that sources may learn from: the feed's own, but of no calibration clip."""
        return prior_knowledge(self.annotations, self.calibration)

    def version_of(self, name: str) -> str:
        """Hash what decides a capability's answers besides the annotators' versions; "" where nothing does."""
        parts = self.versions.get(name, ())
        return json_sha256(list(parts)) if parts else ""

    def heard(self, annotations: pd.DataFrame, ineligible: pd.DataFrame | None = None) -> Self:
        """Add what another source said, and the clips about which it was not asked."""
        everyone = below([self.annotations, priced(annotations)])
        return replace(self, annotations=everyone)._without(ineligible)

    def awaiting(
        self, versions: Mapping[str, str], annotator: str, parts: Mapping[str, Any], ineligible: pd.DataFrame
    ) -> Self:
        """Add a language model whose answers are still to come.

        Args:
            versions: capability -> version of its answers.
            annotator: how it is called.
            parts: capability -> what decides its answers besides.
            ineligible: table of the clips about which it is not asked.
        """
        awaited = dict(self.awaited)
        for name, version in versions.items():
            awaited[name] = {**awaited.get(name, {}), annotator: version}
        return replace(self, awaited=awaited).decided_by(parts)._without(ineligible)

    def answered(self, annotations: pd.DataFrame, annotator: str, asked: Mapping[str, Asked]) -> Self:
        """Add the answers of a language model that were awaited, and how far it was asked."""
        awaited = {
            name: {one: version for one, version in models.items() if one != annotator}
            for name, models in self.awaited.items()
        }
        far = {name: {**self.asked.get(name, {}), annotator: one} for name, one in asked.items()}
        return replace(self, awaited=awaited, asked={**self.asked, **far}).heard(annotations)

    def decided_by(self, parts: Mapping[str, Any]) -> Self:
        """Add to each capability a part of what decides the answers."""
        return replace(self, versions={name: (*self.versions.get(name, ()), part) for name, part in parts.items()})

    def _without(self, ineligible: pd.DataFrame | None) -> Self:
        if ineligible is None or ineligible.empty:
            return self
        return replace(self, ineligible=below([self.ineligible, ineligible]))
