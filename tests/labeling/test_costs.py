import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import ANNOTATIONS, LABELS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.costs import cost_messages, read_summary, summarise
from cu_pipeline.labeling.guarantee.calibration_set import CALIBRATION
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.guarantee.statistics import ratio_interval, share_interval
from cu_pipeline.labeling.ledger import FEED_PRICE, priced_by_feed
from cu_pipeline.labeling.money import FINE, Money, MoneyRow
from cu_pipeline.labeling.people.options import PeopleOptions

TOPIC = ResolvedCapabilities({"topic": Capability(classes=("a", "b"))})


def _opinions(clips: pd.DataFrame, annotations: pd.DataFrame) -> Opinions:
    return Opinions(clips, TOPIC, annotations, table([], CALIBRATION), GuaranteeOptions(), 0.04)


def _machine(clip: str, label: str) -> dict[str, object]:
    given = '{"a": 0.9, "b": 0.1}' if label == "a" else '{"a": 0.1, "b": 0.9}'
    named = {"clip_id": clip, "capability": "topic", "annotator": "smol", "kind": "llm", "label": label}
    return named | {"probabilities": given, "price": 0.001, "version": "1", "draw": ""}


def test_money_agreement_and_the_cost_of_a_right_label_add_up(clips, votes) -> None:
    human = votes(("1", "ann", "a"), ("2", "ann", "b"), ("3", "ann", "b")).assign(price=0.04)
    annotations = pd.concat([human, table([_machine(c, "a") for c in "1234"], ANNOTATIONS)], ignore_index=True)
    label = {"capability": "topic", "label": "a", "annotators": 1, "certified": False}
    labels = [label | {"clip_id": c, "source": "human", "probability": 0.8, "price": 0.041} for c in "123"]
    labels.append(label | {"clip_id": "4", "source": "llm", "probability": 0.9, "price": 0.001, "certified": True})
    paid = (MoneyRow("topic", "human", 2, 0, 0.08, 0.08, 0.0), MoneyRow("topic", "llm", 1, 30, 0.001, 0.001, 0.0))
    guarantee = {"topic": SimpleNamespace(sources=[{"source": "llm", "accuracy": 0.5}])}
    opinions = _opinions(clips(dict.fromkeys("12345", "x")), annotations)
    summary = summarise(opinions, table(labels, LABELS), Money(paid, FINE), guarantee, PeopleOptions())
    assert read_summary(json.loads(json.dumps(summary)))[0] == Money(paid, FINE)
    found = summary["capabilities"]["topic"]
    assert (found["labels"], found["coverage"], found["certified"]) == (4, 0.8, 1)
    (pair,) = found["agreement"]
    assert (pair["sources"], pair["clips"], pair["agreement"]) == (["human", "llm"], 3, 0.3333)
    cost = found["cost_per_correct"]
    assert cost["value"] == pytest.approx(0.081 / (3 * 0.8 + 0.5))
    assert cost["ci95"][0] <= cost["value"] <= cost["ci95"][1]
    assert cost["right_by"] == {"human": "stated", "llm": "calibration"}
    assert cost["basis"] == "going by how often the language model answered rightly on calibration clips"
    (unmeasured,) = cost_messages(
        summarise(opinions, table(labels, LABELS), Money(paid, FINE), {}, PeopleOptions()), Money(paid, FINE)
    )
    assert unmeasured == (
        "topic: until now a right label has cost $0.025, taking the confidence of the language model for granted, "
        "which nobody has measured"
    )


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        right = (random.random(150) < 0.8).astype(float)
        paid = random.gamma(2.0, 0.5, 150)
        low, high = ratio_interval(paid, right)
        held += low <= 1.0 / 0.8 <= high
    assert 0.88 <= held / 200 <= 0.99
    assert share_interval(0, 0) is None
    assert share_interval(5, 5)[1] == 1.0
    assert ratio_interval(np.zeros(2), np.zeros(2)) is None


def test_labels_of_the_feed_cost_what_the_feed_says_and_else_nothing(clips, votes) -> None:
    known = clips(dict.fromkeys("1234", "x"))
    known["metadata"] = ["{}", f'{{"{FEED_PRICE}": "0.25"}}', f'{{"{FEED_PRICE}": ""}}', f'{{"{FEED_PRICE}": 2}}']
    given = votes(("1", "ann", "a"), ("2", "ann", "b"), ("2", "ben", "b"), ("3", "ann", "a"), ("4", "ann", "a"))
    assert priced_by_feed(given, known)["price"].tolist() == [0.0, 0.25, 0.25, 0.0, 2.0]
    assert priced_by_feed(given.iloc[:0], known).empty


@pytest.mark.parametrize("price", ["-1", "4 cents", "nan", "inf"])
def test_a_price_that_is_none_is_named_with_its_clip(clips, votes, price) -> None:
    known = clips({"1": "x"}).assign(metadata=f'{{"{FEED_PRICE}": "{price}"}}')
    with pytest.raises(ConfigurationError, match=f"clip 1: annotation_price '{price}' is no price"):
        priced_by_feed(votes(("1", "ann", "a")), known)
