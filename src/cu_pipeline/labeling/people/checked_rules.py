"""How often rules are right about what the service saw, as people's labels of such clips tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.lean import rows_where
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.requests import LabelRequest
from cu_pipeline.labeling.sources.rules import Rule

_LATEST: Final = 40
"""Clips that a rule is judged by: it may have been right for long, and be wrong about what is new."""

_PRIOR: Final = 4.0
"""Clips that weigh as much as what a rule is taken for, as many as for an average person in `label.people`."""


@dataclass(frozen=True)
class RuleCheck:
    """Holds rules to people's labels of what the service saw.

    Attributes:
        stated: rule -> how often it is taken to be right.
        asked: clips that the service saw and people were asked about, oldest first.
        people: how people's answers add up.
        least: how often a rule must be right.
    """

    stated: Mapping[str, float]
    asked: Sequence[str]
    people: PeopleOptions
    least: float

    @classmethod
    def of(cls, rules: Iterable[Rule], log: Iterable[LabelRequest], people: PeopleOptions, least: float) -> Self:
        """Hold rules to the labels of what iterations asked for, as the log of requests has it."""
        asked = [one.clip_id for one in log if one.clip_id]
        return cls({one.name: one.probability for one in rules}, asked, people, least)

    def failed(
        self, said: pd.DataFrame, annotations: pd.DataFrame, clips: pd.DataFrame, capability: Capability
    ) -> dict[str, float]:
        """Find the rules that are right less often than they must.

        A rule's accuracy is estimated from the latest clips that both it and people answered, with what it is taken for
        as a prior: the mean of a beta distribution. One without any such clip is taken at its word.

        Args:
            said: what rules say, of one capability.
            annotations: what people say, of the same one.
            clips: that the capability applies to.
            capability: with its classes.

        Returns:
            Rule -> how often it is right.
        """
        original_of = originals(clips)
        asked = pd.Series(original_of.reindex(list(self.asked)).dropna().to_numpy(), dtype=object)
        clip_ids = pd.Index(asked.drop_duplicates(keep="last"))
        told = people_say(by_people(on_originals(annotations, original_of)), clip_ids, capability, self.people)
        decided = (told.voters > 0) & ~tied(told.probabilities, capability.kind)
        truth = decide(told.probabilities[decided], capability, clip_ids=clip_ids[decided]).labels
        place = pd.Index(clip_ids[decided]).get_indexer(pd.Index(said["clip_id"]))
        known = rows_where(said, place >= 0).assign(place=place[place >= 0]).sort_values("place")
        found = {}
        for name, mine in known.groupby("annotator"):
            latest = mine.tail(_LATEST)
            right = np.sum(latest["label"].to_numpy(dtype=object) == np.asarray(truth, dtype=object)[latest["place"]])
            found[str(name)] = float((right + _PRIOR * self.stated[str(name)]) / (len(latest) + _PRIOR))
        return {name: accuracy for name, accuracy in found.items() if accuracy < self.least}
