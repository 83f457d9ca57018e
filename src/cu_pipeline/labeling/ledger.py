"""The ledger: every annotation that was ever paid for, once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pandas as pd

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import LEDGER, AnnotatorKind, table

_PAID_BY_ANSWER: Final = (AnnotatorKind.HUMAN, AnnotatorKind.RULE)

_PLACE: Final = ["clip_id", "capability", "annotator"]


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


def _without(annotations: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Leave out the annotations that are people's answers to clips of batches."""
    answered = pd.MultiIndex.from_frame(annotations[_PLACE]).isin(pd.MultiIndex.from_frame(answers[_PLACE]))
    return annotations[~(answered & (annotations["kind"] == AnnotatorKind.HUMAN).to_numpy())]


def _keyed(answers: pd.DataFrame, before: set[str]) -> pd.DataFrame:
    """Key the answers, without those that an earlier version entered, which named no batch."""
    places = answers[["batch", *_PLACE]].to_numpy().tolist()
    keyed = answers.assign(key=[json_sha256(["answer", *place])[:32] for place in places])
    entered = [_key(row, {}) in before for row in answers.to_dict("records")]
    return keyed[~keyed["key"].isin(keyed.loc[entered, "key"])]


def _key(row: Mapping[object, object], content_of: Mapping[str, list[str]]) -> str:
    clip_id, kind = str(row["clip_id"]), row["kind"]
    asked = [clip_id] if kind in _PAID_BY_ANSWER else content_of.get(clip_id, [clip_id])
    answer = [row["label"], row["draw"]] if kind in _PAID_BY_ANSWER else []
    return json_sha256([kind, row["annotator"], row["version"], row["capability"], *asked, *answer])[:32]
