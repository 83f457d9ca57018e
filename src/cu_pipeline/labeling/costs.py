"""What labels cost, and how far sources agree."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.dollars import dollars
from cu_pipeline.core.lean import distinct, rows_where
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.guarantee.statistics import ratio_interval, share_interval
from cu_pipeline.labeling.money import Money, money_of_rows
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.sources.source import TIE, kind_of, source_words, sources_say

_USED: Final = ["clip_id", "annotator", "kind", "label", "probabilities", "version", "price", "capability"]
_OF_LABELS: Final = ["probability", "source", "price", "certified"]


def bill(labels: pd.DataFrame, opinions: Opinions) -> list[str]:
    """Say in words how many labels came from whom, and how many opinions cost nothing.

    Args:
        labels: the labels table.
        opinions: what they add up from, with a price each.
    """
    lines = []
    for name in opinions.active:
        sources = labels.loc[labels["capability"] == name, "source"].value_counts()
        by_source = ", ".join(f"{number} by {source_words(str(source))}" for source, number in sources.items())
        clips = len(opinions.clips_of(name))
        lines.append(f"{name}: {sources.sum()} of {clips} clips have a label ({by_source or 'none'})")
    paid = opinions.annotations[opinions.annotations["capability"].isin(list(opinions.active))]
    free = int(((paid["kind"] == AnnotatorKind.HUMAN) & (paid["price"] == 0)).sum())
    return [*lines, f"{free:,} opinions of people came without a price: they cost nothing here"] if free else lines


def summarise(
    opinions: Opinions, labels: pd.DataFrame, money: Money, guarantee: Mapping[str, Guarantee], people: PeopleOptions
) -> dict[str, Any]:
    """Say what labels cost and how good they are.

    Args:
        opinions: of all sources.
        labels: what they add up to.
        money: all that was ever paid.
        guarantee: capability -> how good sources were on calibration clips.
        people: how people's answers add up.

    Returns:
        `money`: the table; `capabilities`: name -> `coverage`, `cost_per_correct` and `agreement` between sources.
    """
    original_of = originals(opinions.clips)
    said = on_originals(opinions.annotations[_USED], original_of)
    result = {}
    for name, capability in opinions.active.items():
        mine, clips = rows_where(labels[_OF_LABELS], labels["capability"] == name), len(opinions.clips_of(name))
        sources = guarantee[name].sources if name in guarantee else ()
        result[name] = {
            "clips": clips,
            "labels": len(mine),
            "coverage": round(len(mine) / max(clips, 1), 4),
            "certified": int(mine["certified"].sum()),
            "cost_per_correct": _cost(mine, money.exact_usd(name), sources),
            "agreement": _agreement(rows_where(said, said["capability"] == name), capability, people),
        }
    return {"money": money.as_json(), "capabilities": result}


def read_summary(record: Mapping[str, Any]) -> tuple[Money, dict[str, Any]]:
    """Read what `summarise` gave, or an earlier version, which had each capability's money with it.

    Returns:
        The money, and what there is of each capability.
    """
    if set(record) == {"money", "capabilities"} and "rows" in record["money"]:
        return Money.from_json(record["money"]), dict(record["capabilities"])
    return money_of_rows([(name, row) for name, one in record.items() for row in one["money"]]), dict(record)


def cost_messages(summary: Mapping[str, Any], money: Money) -> list[str]:
    """Say, for the log, what a right label of each capability has cost."""
    return [
        f"{name}: until now a right label has cost {dollars(cost['value'])}, {cost['basis']}"
        for name, one in summary["capabilities"].items()
        if (cost := one["cost_per_correct"])["value"] and money.exact_usd(name)
    ]


def _cost(labels: pd.DataFrame, usd: float, sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Measure US dollars spent for a label that is right, out of all that was paid for the capability.

    A source's labels are right as often as on calibration clips, where it was tested there; other labels as often as
    they state. The interval is of clips as they vary, with the share of `usd` that no single label caused added evenly.
    """
    measured = {one["source"]: one["accuracy"] for one in sources if one["accuracy"] is not None}
    stated = labels["probability"].astype(float)
    right = np.asarray(labels["source"].map(measured).astype(float).fillna(stated), dtype=np.float64)
    paid = np.asarray(labels["price"], dtype=np.float64)
    even = paid + (usd - paid.sum()) / max(len(paid), 1)
    value = round(float(usd / right.sum()), 9) if right.sum() > 0 else None
    right_by = {
        source: "calibration" if source in measured else "stated" for source in sorted(labels["source"].unique())
    }
    return {"value": value, "ci95": ratio_interval(even, right), "right_by": right_by, "basis": _basis(right_by)}


def _basis(right_by: Mapping[str, str]) -> str:
    """Say what tells how many labels are right.

    >>> _basis({"human": "stated", "llm": "stated"})
    'taking the confidence of the language model for granted, which nobody has measured'
    >>> _basis({"human": "stated", "llm": "calibration"})
    'going by how often the language model answered rightly on calibration clips'
    """
    machines = {one: by for one, by in right_by.items() if kind_of(one) not in {AnnotatorKind.HUMAN, TIE}}
    measured = [source_words(one) for one, by in machines.items() if by == "calibration"]
    stated = [source_words(one) for one, by in machines.items() if by == "stated"]
    parts = []
    if measured:
        parts.append(f"going by how often {' and '.join(measured)} answered rightly on calibration clips")
    if stated:
        parts.append(f"taking the confidence of {' and '.join(stated)} for granted, which nobody has measured")
    return ", and ".join(parts) or "going by people's votes"


def _agreement(annotations: pd.DataFrame, capability: Capability, people: PeopleOptions) -> list[dict[str, Any]]:
    """Say how often two sources give the same label to a clip that both labelled."""
    if (annotations["kind"] == AnnotatorKind.HUMAN).all():
        return []
    clip_ids = distinct(annotations["clip_id"])
    given = {source.name: source.answers for source in sources_say(annotations, clip_ids, capability)}
    human = people_say(by_people(annotations), clip_ids, capability, people)
    seen = (human.voters > 0) & ~tied(human.probabilities, capability.kind)
    given[AnnotatorKind.HUMAN.value] = np.full(len(clip_ids), "", dtype=object)
    told = decide(human.probabilities[seen], capability)
    given[AnnotatorKind.HUMAN.value][seen] = told.labels
    pairs = []
    for one, other in combinations(sorted(given), 2):
        both = (given[one] != "") & (given[other] != "")
        same = int((given[one] == given[other])[both].sum())
        if both.any():
            share = {"agreement": round(same / int(both.sum()), 4), "ci95": share_interval(same, int(both.sum()))}
            pairs.append({"sources": [one, other], "clips": int(both.sum()), **share})
    return pairs
