from datetime import UTC, datetime

import pandas as pd

from cu_pipeline.core.records import ANNOTATIONS, LEDGER, table
from cu_pipeline.labeling.bill import priced
from cu_pipeline.labeling.ledger import new_entries

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def _llm(clip: str, label: str, price: float, version: str = "p1") -> pd.DataFrame:
    row = {"clip_id": clip, "capability": "topic", "annotator": "smol", "kind": "llm", "label": label}
    return table([row | {"probability": 0.7, "price": price, "version": version, "draw": ""}], ANNOTATIONS)


def _enter(feed: pd.DataFrame, annotations: pd.DataFrame, ledger: pd.DataFrame | None = None) -> pd.DataFrame:
    before = table([], LEDGER) if ledger is None else ledger
    new = new_entries(annotations, feed, {("topic", "2"): 31}, before["key"], NOW)
    assert list(new) == list(LEDGER)
    return pd.concat([before, new], ignore_index=True)


def test_every_annotation_is_entered_once(clips, votes) -> None:
    feed = clips({"1": "x", "2": "y"}).assign(text_sha256=["x", "y"], media_sha256="")
    annotations = pd.concat([priced(votes(("1", "ann", "a"), ("1", "bob", "b")), 0.04), _llm("2", "a", 0.001)])
    ledger = _enter(feed, annotations)
    assert ledger["price"].tolist() == [0.04, 0.04, 0.001]
    assert ledger["tokens"].tolist() == [0, 0, 31]
    assert set(ledger["entered_at"]) == {"2026-03-02T08:00:00+00:00"}
    assert len(_enter(feed, annotations, ledger)) == 3


def test_a_changed_answer_of_a_person_is_paid_again_and_a_reweighed_one_of_a_model_is_not(clips, votes) -> None:
    feed = clips({"1": "x", "2": "y"}).assign(text_sha256=["x", "y"], media_sha256="")
    ledger = _enter(feed, pd.concat([priced(votes(("1", "ann", "a")), 0.04), _llm("2", "a", 0.001)]))
    ledger = _enter(feed, pd.concat([priced(votes(("1", "ann", "b")), 0.04), _llm("2", "b", 0.002)]), ledger)
    assert ledger["label"].tolist() == ["a", "a", "b"]
    ledger = _enter(feed, _llm("2", "b", 0.002, version="p2"), ledger)
    assert ledger["version"].tolist()[-1] == "p2"
    renamed = clips({"9": "y"}).assign(text_sha256="y", media_sha256="")
    assert len(_enter(renamed, _llm("9", "b", 0.002, version="p2"), ledger)) == len(ledger)


def test_no_annotations_make_no_entries(clips, votes) -> None:
    assert _enter(clips({"1": "x"}), votes()).empty
