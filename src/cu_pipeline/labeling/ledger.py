"""The ledger of all that was ever paid for labels: its entries, each made once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import inf, nan
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.lean import below, beside, in_batches, places, renumbered, rows_where, texts
from cu_pipeline.core.records import LEDGER, AnnotatorKind, table
from cu_pipeline.llm.clients.call_log import Payment

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
    naming = clips[clips["metadata"].str.contains(FEED_PRICE, regex=False)]
    told = zip(naming["clip_id"], naming["metadata"], strict=True)
    prices = np.fromiter((_price(clip, json.loads(text).get(FEED_PRICE, "")) for clip, text in told), np.float64)
    place = places(annotations["clip_id"], naming["clip_id"])
    return beside(annotations, price=np.append(prices, 0.0)[place])


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


def new_entries(
    annotations: pd.DataFrame,
    answers: pd.DataFrame,
    clips: pd.DataFrame,
    payments: Sequence[Payment],
    known: "pd.Series[str]",
    now: datetime,
) -> pd.DataFrame:
    """Collect the entries that the ledger lacks.

    An answer to a clip of a batch is entered when it came in, once, whether the batch is accepted or not. A label of
    the feed that changes is paid again. A language model is paid for each call, whatever it answered and whether or
    not its answer became a label, so its entries are the calls and not its opinions.

    Args:
        annotations: of all sources, with a price each.
        answers: of people to clips of batches, as `batches.paid_answers` gives them. Those of them that are in
            `annotations` too are not entered twice.
        clips: the table of clips.
        payments: for calls of language models.
        known: keys that are in the ledger.
        now: with a time zone.

    Returns:
        A table with the columns of `records.LEDGER`.
    """
    others = renumbered(_without(rows_where(annotations, annotations["kind"] != AnnotatorKind.LLM), answers))
    others = beside(others, batch="", key=texts(_keys(others, clips), others["clip_id"]))
    moment = now.isoformat(timespec="seconds")
    said = beside(below([others, _keyed(answers, known, others["key"])]), tokens=0)
    parts = [table(beside(one, entered_at=moment), LEDGER) for one in (said, _calls(payments, annotations))]
    entries = below(parts)
    fresh = rows_where(entries, ~entries["key"].isin(known))
    return renumbered(rows_where(fresh, ~fresh["key"].duplicated()))


def known_keys(ledger: pd.DataFrame) -> "pd.Series[str]":
    """List the keys of a ledger, and those that entries of people have now whose names were spelt otherwise then.

    So nobody is paid twice because a person's or a class's name is cleaned since.
    """
    by_people = ledger["kind"] == AnnotatorKind.HUMAN
    names = {one: clean_name(one) for name in ("annotator", "label") for one in ledger.loc[by_people, name].unique()}
    respelt = [one for one, clean in names.items() if one != clean]
    changed = ledger[by_people & (ledger["annotator"].isin(respelt) | ledger["label"].isin(respelt))]
    spelt = changed.assign(**{name: changed[name].map(names) for name in ("annotator", "label")})
    keys = [_answer_key(row) if row["batch"] else _key(row, {}) for row in spelt.to_dict("records")]
    return below([ledger[["key"]], pd.DataFrame({"key": pd.Series(keys, dtype=object)})])["key"]


def _calls(payments: Sequence[Payment], annotations: pd.DataFrame) -> pd.DataFrame:
    """Make an entry of each call, with the label that came of it; "" where none did."""
    by_llm = annotations[annotations["kind"] == AnnotatorKind.LLM] if payments else annotations.iloc[:0]
    places = by_llm[[*_PLACE, "version"]].itertuples(index=False, name=None)
    labels = dict(zip(places, zip(by_llm["label"], by_llm["probability"], strict=True), strict=True))
    rows = []
    for one in payments:
        asked = one.purpose
        place = (asked.clip_id, asked.capability, asked.model, asked.version)
        label, probability = labels.get(place, ("", nan)) if one.answered else ("", nan)
        named = {"clip_id": asked.clip_id, "capability": asked.capability, "annotator": asked.model}
        paid = {"version": asked.version, "price": round(asked.usd, 9), "tokens": one.tokens}
        said = {"kind": AnnotatorKind.LLM.value, "label": label, "probability": probability, "draw": "", "batch": ""}
        rows.append({"key": call_key(one.key)} | named | said | paid)
    columns = [name for name in LEDGER if name != "entered_at"]
    return pd.DataFrame(rows, columns=columns)


def _without(annotations: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Leave out the annotations that are people's answers to clips of batches."""
    if answers.empty:
        return annotations
    by_people = (annotations["kind"] == AnnotatorKind.HUMAN) & annotations["clip_id"].isin(answers["clip_id"])
    mine = pd.MultiIndex.from_frame(annotations.loc[by_people, _PLACE])
    answered = by_people.to_numpy(dtype=bool)
    answered[answered] = mine.isin(pd.MultiIndex.from_frame(answers[_PLACE]))
    return annotations[~answered]


def call_key(payment: str) -> str:
    """Make the key of the entry of a call that was paid for.

    Args:
        payment: key of its line in the log of calls.
    """
    return json_sha256(["call", payment])[:32]


def _keyed(answers: pd.DataFrame, known: "pd.Series[str]", others: "pd.Series[str]") -> pd.DataFrame:
    """Key the answers, without those that an earlier version entered, which named no batch."""
    keyed = answers.assign(key=[_answer_key(row) for row in answers.to_dict("records")])
    unnamed = pd.Series([_key(row, {}) for row in answers.to_dict("records")], answers.index, dtype=object)
    entered = unnamed.isin(known) & ~unnamed.isin(others)
    return keyed[~keyed["key"].isin(keyed.loc[entered, "key"])]


def _answer_key(row: Mapping[Any, Any]) -> str:
    return json_sha256(["answer", *(row[name] for name in ("batch", *_PLACE))])[:32]


def _keys(annotations: pd.DataFrame, clips: pd.DataFrame) -> Iterator[str]:
    """Make the key of each annotation's entry."""
    content = ["media_sha256", "text_sha256"]
    for rows in in_batches(annotations, [*_PLACE, "kind", "version", "label", "draw"]):
        asked = rows.loc[~rows["kind"].isin(_PAID_BY_ANSWER), "clip_id"].drop_duplicates()
        found = clips.loc[clips["clip_id"].isin(asked), ["clip_id", *content]] if len(asked) else clips.iloc[:0]
        content_of = dict(zip(found["clip_id"], found[content].to_numpy(dtype=object).tolist(), strict=True))
        yield from (_key(row, content_of) for row in rows.to_dict("records"))


def _key(row: Mapping[object, object], content_of: Mapping[str, list[str]]) -> str:
    clip_id, kind = str(row["clip_id"]), row["kind"]
    asked = [clip_id] if kind in _PAID_BY_ANSWER else content_of.get(clip_id, [clip_id])
    answer = [row["label"], row["draw"]] if kind in _PAID_BY_ANSWER else []
    return json_sha256([kind, row["annotator"], row["version"], row["capability"], *asked, *answer])[:32]
