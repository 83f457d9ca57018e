"""What labels cost: the ledger of all that was ever paid, the bill of a run, and how far sources agree."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from math import inf, nan
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import LEDGER, AnnotatorKind, table
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.guarantee.statistics import ratio_interval, share_interval
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.sources.source import source_column, source_words, sources_say

FEED_PRICE: Final = "annotation_price"
"""Column of a feed: US dollars that each label and annotation of the row has cost."""

_PAID_BY_ANSWER: Final = (AnnotatorKind.HUMAN, AnnotatorKind.RULE)
_PLACE: Final = ["clip_id", "capability", "annotator"]


def priced_by_feed(annotations: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Price the feed's annotations as the feed does; where it names no price they were paid for elsewhere.

    Args:
        annotations: that came with the feed.
        clips: the table of clips, whose metadata may hold `FEED_PRICE`.

    Raises:
        ConfigurationError: a price is not a number of at least 0.
    """
    given = {
        clip_id: json.loads(metadata).get(FEED_PRICE, "")
        for clip_id, metadata in zip(clips["clip_id"], clips["metadata"], strict=True)
        if FEED_PRICE in metadata
    }
    prices = {clip_id: _price(clip_id, price) for clip_id, price in given.items()}
    return annotations.assign(price=annotations["clip_id"].map(prices).astype("float64").fillna(0.0))


def _price(clip_id: str, given: object) -> float:
    try:
        price = float(str(given).strip() or 0)
    except ValueError:
        price = nan
    if not 0 <= price < inf:
        raise ConfigurationError(
            f"clip {clip_id}: {FEED_PRICE} {given!r} is no price: give US dollars such as 0.04, or leave the cell empty"
        )
    return price


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
        clips = len(opinions.clips_of(name))
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
        mine, clips = labels[labels["capability"] == name], len(opinions.clips_of(name))
        result[name] = {
            "money": _money(ledger[ledger["capability"] == name], unused),
            "clips": clips,
            "labels": len(mine),
            "coverage": round(len(mine) / max(clips, 1), 4),
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


def new_entries(
    annotations: pd.DataFrame,
    answers: pd.DataFrame,
    clips: pd.DataFrame,
    tokens: Mapping[tuple[str, str, str], int],
    known: "pd.Series[str]",
    now: datetime,
) -> pd.DataFrame:
    """Collect the entries that the ledger lacks.

    An answer to a clip of a batch is entered when it came in, once, whether the batch is accepted or not. A label of
    the feed that changes is paid again. A language model is paid for a question, so its opinion on the same caption
    is entered once for each version, whatever the class priors later make of it.

    Args:
        annotations: of all sources, with a price each.
        answers: of people to clips of batches, as `batches.paid_answers` gives them. Those of them that are in
            `annotations` too are not entered twice.
        clips: the table of clips.
        tokens: (capability, language model, clip) -> tokens that its answer took.
        known: keys that are in the ledger.
        now: with a time zone.

    Returns:
        A table with the columns of `records.LEDGER`.
    """
    contents = clips.set_index("clip_id")[["media_sha256", "text_sha256"]].to_dict("split")
    content_of = dict(zip(contents["index"], contents["data"], strict=True))
    others = _without(annotations, answers)
    others = others.assign(batch="", key=[_key(row, content_of) for row in others.to_dict("records")])
    before = set(known) - set(others["key"])
    entries = pd.concat([others, _keyed(answers, before)], ignore_index=True)
    entries = entries[~entries["key"].isin(set(known))].drop_duplicates("key")
    machine = entries["kind"] == AnnotatorKind.LLM
    places = zip(entries["capability"], entries["annotator"], entries["clip_id"], strict=True)
    entries = entries.assign(
        entered_at=now.isoformat(timespec="seconds"),
        tokens=pd.Series([tokens.get(place, 0) for place in places], index=entries.index, dtype="int64").where(
            machine, 0
        ),
    )
    return table(entries, LEDGER).reset_index(drop=True)


def known_keys(ledger: pd.DataFrame) -> "pd.Series[str]":
    """List the keys of a ledger, and those that entries of people have now whose names were spelt otherwise then.

    So nobody is paid twice because a person's or a class's name is cleaned since.
    """
    people = ledger[ledger["kind"] == AnnotatorKind.HUMAN]
    spelt = people.assign(**{name: people[name].map(clean_name) for name in ("annotator", "label")})
    changed = spelt[(spelt[["annotator", "label"]] != people[["annotator", "label"]]).any(axis=1)]
    keys = [_answer_key(row) if row["batch"] else _key(row, {}) for row in changed.to_dict("records")]
    return pd.concat([ledger["key"], pd.Series(keys, dtype=object)], ignore_index=True)


def _without(annotations: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Leave out the annotations that are people's answers to clips of batches."""
    answered = pd.MultiIndex.from_frame(annotations[_PLACE]).isin(pd.MultiIndex.from_frame(answers[_PLACE]))
    return annotations[~(answered & (annotations["kind"] == AnnotatorKind.HUMAN).to_numpy())]


def _keyed(answers: pd.DataFrame, before: set[str]) -> pd.DataFrame:
    """Key the answers, without those that an earlier version entered, which named no batch."""
    keyed = answers.assign(key=[_answer_key(row) for row in answers.to_dict("records")])
    entered = [_key(row, {}) in before for row in answers.to_dict("records")]
    return keyed[~keyed["key"].isin(keyed.loc[entered, "key"])]


def _answer_key(row: Mapping[Any, Any]) -> str:
    return json_sha256(["answer", *(row[name] for name in ("batch", *_PLACE))])[:32]


def _key(row: Mapping[object, object], content_of: Mapping[str, list[str]]) -> str:
    clip_id, kind = str(row["clip_id"]), row["kind"]
    asked = [clip_id] if kind in _PAID_BY_ANSWER else content_of.get(clip_id, [clip_id])
    answer = [row["label"], row["draw"]] if kind in _PAID_BY_ANSWER else []
    return json_sha256([kind, row["annotator"], row["version"], row["capability"], *asked, *answer])[:32]
