from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.options import Method, PeopleOptions
from cu_pipeline.labeling.people.ballots import Ballots, ballots
from cu_pipeline.labeling.people.dawid_skene import fit_dawid_skene
from cu_pipeline.labeling.people.votes import Opinion, count_votes


def people_say(
    annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability, options: PeopleOptions
) -> Opinion:
    """Turn people's annotations into class probabilities, by the chosen method.

    Args:
        annotations: people's, of this capability.
        clip_ids: unique; the rows of the result.
        capability: with its classes.
        options: the method and its settings.
    """
    return _METHODS[options.method](annotations, clip_ids, capability, options)


def _majority(
    annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability, options: PeopleOptions
) -> Opinion:
    return count_votes(annotations, clip_ids, capability, options.smoothing)


def _dawid_skene(
    annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability, options: PeopleOptions
) -> Opinion:
    """Weigh people by their errors; where no two answers can be compared, these are unknown and all count alike."""
    plain = _majority(annotations, clip_ids, capability, options)
    questions = ballots(annotations, clip_ids, capability)
    if not all(_comparable(question) for question in questions.values()):
        return plain
    fitted = {name: fit_dawid_skene(one, options.confusion_smoothing).posterior for name, one in questions.items()}
    single = capability.kind is Kind.SINGLE
    posterior = fitted[""] if single else np.column_stack([fitted[name][:, 1] for name in capability.classes])
    return Opinion(np.where(plain.voters[:, None] > 0, posterior, plain.probabilities), plain.voters)


def _comparable(question: Ballots) -> bool:
    """Say whether on some clip a vote can be held against another one or against gold."""
    votes = np.bincount(question.clip, minlength=question.clips)
    return bool((votes + (question.gold >= 0) * (votes > 0)).max(initial=0) > 1)


_METHODS: Final[dict[Method, Callable[[pd.DataFrame, "pd.Index[str]", Capability, PeopleOptions], Opinion]]] = {
    Method.MAJORITY: _majority,
    Method.DAWID_SKENE: _dawid_skene,
}
