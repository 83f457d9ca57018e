"""What labels cost, and how far sources agree."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.guarantee.statistics import ratio_interval, share_interval
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.sources.source import source_column, source_words, sources_say


def bill(labels: pd.DataFrame, opinions: Opinions) -> list[str]:
    """Say in words how many labels came from whom, and what was paid.

    Args:
        labels: the labels table.
        opinions: what they add up from, with a price each.
    """
    lines = []
    for name in opinions.active:
        sources = labels.loc[labels["capability"] == name, "source"].value_counts()
        by_source = ", ".join(f"{number} by {source_words(str(source))}" for source, number in sources.items())
        clips = len(opinions.clips)
        lines.append(f"{name}: {sources.sum()} of {clips} clips have a label ({by_source or 'none'})")
    paid = opinions.annotations[opinions.annotations["capability"].isin(list(opinions.active))]
    for source, group in paid.groupby(source_column(paid)):
        words, bought = source_words(str(source)), group["price"] > 0
        if free := int((~bought).sum()) if source == AnnotatorKind.HUMAN else 0:
            lines.append(f"{free} opinions of {words} came without a price: they cost nothing here")
        if free < len(group):
            lines.append(f"paid {words}: ${group['price'].sum():.4f} for {len(group) - free} opinions")
    return lines


def unused_words(unused: Mapping[str, float]) -> str:
    """Say what part of the money went to answers that are not used.

    >>> unused_words({"sent back": 2.16})
    'of which $2.16 for answers sent back'
    """
    parts = [f"${usd:.2f} for answers {state}" for state, usd in unused.items()]
    return f"of which {' and '.join(parts)}"


def summarise(
    opinions: Opinions,
    labels: pd.DataFrame,
    ledger: pd.DataFrame,
    guarantee: Mapping[str, Guarantee],
    unused: Mapping[str, str],
    people: PeopleOptions,
) -> dict[str, Any]:
    """Say what labels cost and how good they are.

    Args:
        opinions: of all sources, with a price each.
        labels: what they add up to.
        ledger: all that was ever paid for.
        guarantee: capability -> how good sources were on calibration clips.
        unused: batch -> what became of it, for those whose answers are not used.
        people: how people's answers add up.

    Returns:
        Capability -> `money` by source, with `unused`: what became of batches -> the part of it for their answers;
        `coverage`, `cost_per_correct` and `agreement` between sources.
    """
    original_of = originals(opinions.clips)
    said = on_originals(opinions.annotations, original_of)
    result = {}
    for name, capability in opinions.active.items():
        mine = labels[labels["capability"] == name]
        result[name] = {
            "money": _money(ledger[ledger["capability"] == name], unused),
            "clips": len(opinions.clips),
            "labels": len(mine),
            "coverage": round(len(mine) / max(len(opinions.clips), 1), 4),
            "certified": int(mine["certified"].sum()),
            "cost_per_correct": _cost(mine, guarantee[name].sources if name in guarantee else ()),
            "agreement": _agreement(said[said["capability"] == name], capability, people),
        }
    return result


def money_messages(summary: Mapping[str, Any]) -> list[str]:
    """Say, for the log, what people were paid for answers that are not used; nothing where all are."""
    return [
        f"{name}: paid {source_words(row['source'])} ${row['usd']:.2f} so far, "
        f"{unused_words({state: some['usd'] for state, some in row['unused'].items()})}"
        for name, one in summary.items()
        for row in one["money"]
        if row["unused"]
    ]


def _money(ledger: pd.DataFrame, unused: Mapping[str, str]) -> list[dict[str, Any]]:
    became = ledger["batch"].map(unused)
    return [
        {
            "source": str(source),
            **_sums(rows),
            "tokens": int(rows["tokens"].sum()),
            "unused": {str(state): _sums(some) for state, some in rows.groupby(became.loc[rows.index])},
        }
        for source, rows in ledger.groupby(source_column(ledger))
    ]


def _sums(ledger: pd.DataFrame) -> dict[str, Any]:
    return {"annotations": len(ledger), "usd": round(float(ledger["price"].sum()), 9)}


def _cost(labels: pd.DataFrame, sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Measure US dollars spent for a label that is right.

    A source's labels are right as often as on calibration clips, where it was tested there; other labels as often as
    they state.
    """
    measured = {one["source"]: one["accuracy"] for one in sources if one["accuracy"] is not None}
    stated = labels["probability"].astype(float)
    right = np.asarray(labels["source"].map(measured).astype(float).fillna(stated), dtype=np.float64)
    paid = np.asarray(labels["price"], dtype=np.float64)
    value = round(float(paid.sum() / right.sum()), 9) if right.sum() > 0 else None
    basis = {source: "calibration" if source in measured else "stated" for source in sorted(set(labels["source"]))}
    return {"value": value, "ci95": ratio_interval(paid, right), "right_by": basis}


def _agreement(annotations: pd.DataFrame, capability: Capability, people: PeopleOptions) -> list[dict[str, Any]]:
    """Say how often two sources give the same label to a clip that both labelled."""
    clip_ids = pd.Index(sorted(set(annotations["clip_id"])))
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
