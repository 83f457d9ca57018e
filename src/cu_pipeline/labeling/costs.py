from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.bill import unused_words
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.guarantee.intervals import ratio_interval, share_interval
from cu_pipeline.labeling.options import PeopleOptions
from cu_pipeline.labeling.people.opinions import people_say
from cu_pipeline.labeling.sources.names import SOURCES
from cu_pipeline.labeling.sources.source import machines_say


@dataclass(frozen=True)
class Books:
    """All that is known of labels and of what they cost.

    Attributes:
        clips: the table of usable clips.
        annotations: of all sources, with a price each.
        labels: what they add up to.
        ledger: all that was ever paid for.
        guarantee: capability -> how good machines were on calibration clips.
        unused: batch -> what became of it, for those whose answers are not used.
    """

    clips: pd.DataFrame
    annotations: pd.DataFrame
    labels: pd.DataFrame
    ledger: pd.DataFrame
    guarantee: Mapping[str, Any]
    unused: Mapping[str, str] = field(default_factory=dict)


def summarise(books: Books, capabilities: Mapping[str, Capability], people: PeopleOptions) -> dict[str, Any]:
    """Say what labels cost and how good they are.

    Args:
        books: what is known.
        capabilities: the active ones.
        people: how people's answers add up.

    Returns:
        Capability -> `money` by source, with `unused`: what became of batches -> the part of it for their answers;
        `coverage`, `cost_per_correct` and `agreement` between sources.
    """
    original_of = originals(books.clips)
    said = on_originals(books.annotations, original_of)
    result = {}
    for name, capability in capabilities.items():
        mine = books.labels[books.labels["capability"] == name]
        result[name] = {
            "money": _money(books.ledger[books.ledger["capability"] == name], books.unused),
            "clips": len(books.clips),
            "labels": len(mine),
            "coverage": round(len(mine) / max(len(books.clips), 1), 4),
            "certified": int(mine["certified"].sum()),
            "cost_per_correct": _cost(mine, books.guarantee.get(name, {}).get("sources", ())),
            "agreement": _agreement(said[said["capability"] == name], capability, people),
        }
    return result


def ledger_in_words(summary: Mapping[str, Any]) -> list[str]:
    """Say, for the log, what people were paid for answers that are not used; nothing where all are."""
    return [
        f"{name}: paid {SOURCES[row['source']]} ${row['usd']:.2f} so far, "
        f"{unused_words({state: some['usd'] for state, some in row['unused'].items()})}"
        for name, one in summary.items()
        for row in one["money"]
        if row["unused"]
    ]


def _money(ledger: pd.DataFrame, unused: Mapping[str, str]) -> list[dict[str, Any]]:
    became = ledger["batch"].map(unused)
    return [
        {
            "source": str(kind),
            **_sums(rows),
            "tokens": int(rows["tokens"].sum()),
            "unused": {str(state): _sums(some) for state, some in rows.groupby(became.loc[rows.index])},
        }
        for kind, rows in ledger.groupby("kind")
    ]


def _sums(ledger: pd.DataFrame) -> dict[str, Any]:
    return {"annotations": len(ledger), "usd": round(float(ledger["price"].sum()), 9)}


def _cost(labels: pd.DataFrame, sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give US dollars spent for a label that is right.

    A machine's labels are right as often as on calibration clips, where it was tested there; other labels as often as
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
    """Say how often two kinds of source give the same label to a clip that both labelled."""
    clip_ids = pd.Index(sorted(set(annotations["clip_id"])))
    given = {machine.kind.value: machine.answers for machine in machines_say(annotations, clip_ids, capability)}
    human = people_say(by_people(annotations), clip_ids, capability, people)
    seen = human.voters > 0
    given[AnnotatorKind.HUMAN.value] = np.full(len(clip_ids), "", dtype=object)
    given[AnnotatorKind.HUMAN.value][seen], _ = decide(human.probabilities[seen], capability, clip_ids[seen].tolist())
    pairs = []
    for one, other in combinations(sorted(given), 2):
        both = (given[one] != "") & (given[other] != "")
        same = int((given[one] == given[other])[both].sum())
        if both.any():
            share = {"agreement": round(same / int(both.sum()), 4), "ci95": share_interval(same, int(both.sum()))}
            pairs.append({"sources": [one, other], "clips": int(both.sum()), **share})
    return pairs
