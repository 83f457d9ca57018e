"""What must be said of a log before anything is concluded from it: with any of it, nothing is known to be well."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cu_pipeline.inference.prediction_log.reading import count_answers, read_latest
from cu_pipeline.inference.prediction_log.records import PredictionRecord
from cu_pipeline.inference.prediction_log.traffic import Traffic

LATEST: Final = 50
"""Answers that tell which models the running service has."""

_MOST: Final = 0.5
"""Share of them that must be by the delivered models; a rollout's challenger may answer the rest."""


def notices(
    place: str | Path, delivered: Mapping[str, str], traffic: Traffic, rollouts: Sequence[str] = ()
) -> list[str]:
    """Tell what is to be known first, the gravest first.

    Args:
        place: of the log.
        delivered: capability -> version of the champion.
        traffic: that was found in the log.
        rollouts: capabilities that a challenger is being tried for.

    Returns:
        Sentences; empty where there is nothing.

    Raises:
        StoreError: the log cannot be read.
    """
    found = _other_models(read_latest(place, LATEST), delivered, rollouts) + _only_own(traffic)
    found += _left_out(traffic, _by_others(place, traffic))
    if rollouts:
        told = "rollouts of challengers are" if len(rollouts) > 1 else "a rollout of a challenger is"
        found.append(
            f"For {_listed(rollouts)} {told} under way: what a challenger answers is left out, and what is compared is "
            "the rest."
        )
    return found


def _other_models(
    latest: Sequence[PredictionRecord], delivered: Mapping[str, str], rollouts: Sequence[str]
) -> list[str]:
    """Whether the running service has other models than the delivered ones."""
    found = []
    for name, version in delivered.items():
        asked = [one.versions[name] for one in latest if name in one.versions]
        others = Counter(told for told in asked if told != version)
        known = version in asked[-1:] or (name in rollouts and version in asked)
        if others and not known and others.total() >= _MOST * len(asked):
            found.append(
                f"The running service does not answer by the delivered model of {name}: its latest {others.total()} of "
                f"{len(asked)} answers are by {_listed(others)}, and the champion is {version}. Its traffic is left "
                "out. Remedy: see that the service reads this project's data/06_models/champions, or restart it"
            )
    if latest and not any(set(delivered) & set(one.versions) for one in latest):
        found.append(
            f"The running service answers for {_listed(sorted({name for one in latest for name in one.versions}))}, "
            f"and the delivered models are of {_listed(delivered)}. Its traffic is left out."
        )
    return found


def _only_own(traffic: Traffic) -> list[str]:
    if not traffic.only_replays():
        return []
    return [
        f"The log holds {traffic.replays} answers about the product's own clips alone, which were sent to try the "
        "service out: nobody else has used it yet, or their traffic is in another log."
    ]


def _by_others(place: str | Path, traffic: Traffic) -> int:
    """Count the answers by other models since the delivered ones answer; what was answered before is history."""
    if traffic.table.empty:
        return traffic.other
    first = min([traffic.table["time"].min(), *traffic.repeats["time"].iloc[:1]])
    return max(0, count_answers(place, first) - traffic.requests)


def _left_out(traffic: Traffic, others: int) -> list[str]:
    """Traffic that counts for nothing, and why."""
    found = []
    whole = traffic.requests + others + traffic.skipped + traffic.invalid
    reasons = {
        "are by other models than the delivered ones": others,
        "were sampled out by the log's option `sample`": traffic.skipped,
        "are damaged records": traffic.invalid,
    }
    for reason, count in reasons.items():
        if count:
            found.append(f"{count} of {whole} answers ({count / whole:.0%}) {reason}: they are left out.")
    return found


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
