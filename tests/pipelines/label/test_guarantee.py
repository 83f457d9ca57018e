"""The guarantee, through the whole label pipeline: rules of known quality, people's labels, a model that is made up."""

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.llm.clients.dispatch import CLIENTS, ClientKind
from cu_pipeline.llm.clients.protocol import Scored, Unanswered, UnansweredError

Run = Callable[..., tuple[Any, dict[str, int]]]

TOPICS = ("cooking", "football", "pets")
RULES = [
    {"name": f"says_{one}", "kind": "keywords", "capability": "topic", "label": one, "words": [one]} for one in TOPICS
]
TOPIC = {"topic": {"classes": list(TOPICS)}}


class Feed:
    """Clips whose caption names the topic rightly in most cases; some drawn at random were labelled by people."""

    def __init__(self, clips: int, labelled: int, right: float = 0.97, seed: int = 0, draw: str = "random") -> None:
        random = np.random.default_rng(seed)
        truth = random.integers(0, 3, clips)
        told = np.where(random.random(clips) < right, truth, (truth + 1) % 3)
        names = [f"c{number:05}" for number in range(clips)]
        rows = [
            {"clip_id": name, "text": f"a clip of {TOPICS[one]} {name}", "text_sha256": name, "media_sha256": ""}
            | {"has_audio": False, "bytes": 0, "split": "train", "path": "", "codec": ""}
            for name, one in zip(names, told, strict=True)
        ]
        chosen = sorted(random.permutation(clips)[:labelled])
        human = {"capability": "topic", "annotator": "ann", "kind": "human", "version": "", "draw": draw}
        votes = [human | {"clip_id": names[row], "label": TOPICS[truth[row]]} for row in chosen]
        self.truth = pd.Series([TOPICS[one] for one in truth], index=names)
        self.tables = {"clips": table(rows, CLIPS), "annotations": table(votes, ANNOTATIONS)}


def _run(run: Run, feed: Feed, rules: list[dict[str, Any]] = RULES, **guarantee: Any) -> tuple[Any, dict[str, int]]:
    off = {"llm": {"enabled": False}, "errors": {"most": 0}}
    return run(feed.tables, TOPIC, **off, rules=rules, guarantee=guarantee)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_any_machine_nothing_is_tested_however_many_clips_people_labelled(run_label: Run) -> None:
    catalog, counts = _run(run_label, Feed(clips=300, labelled=200), rules=[])
    found = catalog.load("guarantee")["topic"]
    assert counts["calibration_tests"] == 0
    assert catalog.load("calibration_tests") == []
    assert (found.delta_spent, found.error_bound) == (0, None)
    assert found.message == "topic: nothing to certify: no machine has labelled a clip"


def test_a_good_rule_is_certified_and_the_guarantee_holds(run_label: Run) -> None:
    feed = Feed(clips=2400, labelled=900)
    catalog, counts = _run(run_label, feed)
    labels, found = catalog.load("labels"), catalog.load("guarantee")["topic"]
    certified = labels[labels["certified"]]
    assert counts["calibration_tests"] == 1
    assert len(certified) == found.accepted == found.pool == 1500
    assert set(certified["source"]) == {"rule"}
    assert (certified["label"].to_numpy() != feed.truth[certified["clip_id"]].to_numpy()).mean() <= 0.05
    assert (found.error_bound, found.delta_of_this_test) == (0.05, 0.025)
    assert found.results[0].p_value <= 0.025
    assert found.cost_per_correct["value"] < 0.04
    assert "1500 of 1500 clips that no person has seen have a certified label" in found.message
    assert not labels.loc[labels["source"] == "human", "certified"].any()


def test_unchanged_data_spend_nothing_and_give_the_same_bytes(run_label: Run, tmp_path: Path) -> None:
    feed = Feed(clips=1400, labelled=900)
    _run(run_label, feed)
    written = _bytes(tmp_path)
    _, counts = _run(run_label, feed)
    assert (counts["calibration_tests"], counts["ledger_entries_added"]) == (0, 0)
    assert _bytes(tmp_path) == written


def test_new_clips_are_certified_without_a_test_and_another_rule_pays_for_its_own(
    run_label: Run, tmp_path: Path
) -> None:
    _run(run_label, Feed(clips=1400, labelled=900))
    more = Feed(clips=1400, labelled=900)
    extra = Feed(clips=1500, labelled=0).tables["clips"].tail(100)
    more.tables["clips"] = pd.concat([more.tables["clips"], extra], ignore_index=True)
    catalog, counts = _run(run_label, more)
    assert counts["calibration_tests"] == 0
    assert catalog.load("labels").set_index("clip_id").loc[extra["clip_id"], "certified"].all()

    changed = [{**RULES[0], "words": ["cooking", "food"]}, *RULES[1:]]
    catalog, counts = _run(run_label, more, changed)
    found = catalog.load("guarantee")["topic"]
    assert counts["calibration_tests"] == 1
    assert found.delta_of_this_test == pytest.approx(0.05 / 12)
    assert found.delta_spent == pytest.approx(0.025 + 0.05 / 12)
    tests = (tmp_path / "data/05_model_input/calibration_tests.jsonl").read_text().splitlines()
    assert [json.loads(line)["delta"] for line in tests] == [0.025, pytest.approx(0.05 / 12)]


def test_too_few_labels_certify_nothing_and_spend_nothing(run_label: Run, tmp_path: Path) -> None:
    catalog, counts = _run(run_label, Feed(clips=300, labelled=40))
    found = catalog.load("guarantee")["topic"]
    assert counts["calibration_tests"] == 0
    assert (found.accepted, found.labels_needed, found.delta_left) == (0, 72 - 40, 0.05)
    assert "At least 32 more are needed" in found.message
    assert not catalog.load("labels")["certified"].any()
    assert (tmp_path / "data/05_model_input/calibration_tests.jsonl").read_bytes() == b""


def test_a_bad_rule_is_not_certified(run_label: Run) -> None:
    catalog, counts = _run(run_label, Feed(clips=1200, labelled=600, right=0.9))
    found = catalog.load("guarantee")["topic"]
    assert (counts["calibration_tests"], found.accepted, found.labels_needed) == (1, 0, None)
    assert "more labels would not help" in found.message
    labels = catalog.load("labels")
    assert (labels["source"] == "rule").sum() == 600
    assert not labels["certified"].any()


@pytest.mark.parametrize("draw", ["value", ""])
def test_only_random_draws_count_unless_the_feed_is_declared_one(run_label: Run, draw: str) -> None:
    feed = Feed(clips=1400, labelled=900, draw=draw)
    catalog, _ = _run(run_label, feed)
    assert catalog.load("guarantee")["topic"].calibration["clips"] == 0
    catalog, _ = _run(run_label, feed, calibration="feed")
    assert catalog.load("guarantee")["topic"].calibration["clips"] == (0 if draw else 900)


def test_each_class_is_certified_on_its_own(run_label: Run) -> None:
    feed = Feed(clips=3000, labelled=1800, right=0.98)
    wrong = feed.tables["annotations"]
    pets = wrong.index[wrong["label"] == "pets"][::5]
    wrong.loc[pets, "label"] = "cooking"
    catalog, _ = _run(run_label, feed, per_class=True)
    verdicts = {one.answer: one.certified for one in catalog.load("guarantee")["topic"].results}
    assert verdicts == {"cooking": True, "football": True, "pets": False}
    labels = catalog.load("labels")
    assert set(labels.loc[labels["certified"], "label"]) == {"cooking", "football"}


def test_switched_off_nothing_is_guaranteed(run_label: Run) -> None:
    catalog, _ = _run(run_label, Feed(clips=1400, labelled=900), enabled=False)
    assert catalog.load("guarantee") == {}
    assert not catalog.load("labels")["certified"].any()


class Oracle:
    """Stands for a language model that knows each clip by its name and is right about 97 % of them."""

    identity, concurrency = "oracle@1", 1

    def __init__(self, truth: pd.Series, *, is_down: bool) -> None:
        self._truth, self._is_down = truth, is_down

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        if self._is_down:
            raise UnansweredError(Unanswered("out of reach"))
        found = re.search(r"c\d{5}", prompt)
        if not found:
            return Scored((math.log(1 / 3),) * 3, 10)
        said = (TOPICS.index(self._truth[found[0]]) + (int(found[0][1:]) % 37 == 0)) % 3
        return Scored(tuple(math.log(0.9 if place == said else 0.05) for place in range(3)), 10)

    def close(self) -> None:
        pass


@pytest.fixture
def ask_in_turn(run_label: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs the pipeline with a rule about cooking and the oracle about everything."""

    def run(
        feed: Feed,
        *,
        words: Sequence[str] = ("cooking",),
        is_down: bool = False,
        most: int = 5000,
        **guarantee: Any,
    ) -> tuple[Any, dict[str, int]]:
        kind = ClientKind(lambda _: Oracle.identity, lambda _: Oracle(feed.truth, is_down=is_down))
        monkeypatch.setitem(CLIENTS, "packaged", kind)
        llm = {"max_clips": most, "client": {"packaged": {"price_per_1000_prompt_tokens": 0.1}}}
        rules = [{**RULES[0], "words": list(words), "probability": 0.9}]
        return run_label(feed.tables, TOPIC, llm=llm, errors={"most": 0}, rules=rules, guarantee=guarantee)

    return run


def _grown(clips: int, labelled: int, extra: int) -> tuple[Feed, Feed]:
    """Give a feed, and the same with more clips, all with the captions that they had."""
    small, large = (Feed(clips=number, labelled=0) for number in (clips, clips + extra))
    human = Feed(clips=clips, labelled=labelled)
    new = large.tables["clips"].tail(extra)
    truth = pd.concat([human.truth, large.truth[new["clip_id"]]])
    tables = {**human.tables, "clips": pd.concat([small.tables["clips"], new], ignore_index=True)}
    large.tables, large.truth = tables, truth
    return human, large


def test_the_language_model_is_spared_what_a_rule_has_certified(ask_in_turn: Run, tmp_path: Path) -> None:
    before, after = _grown(clips=1400, labelled=900, extra=150)
    catalog, counts = ask_in_turn(before)
    old = catalog.load("labels").set_index("clip_id")
    assert (counts["calibration_tests"], counts["llm_clips_spared"]) == (1, 0)
    (verdict,) = catalog.load("guarantee")["topic"].results
    assert verdict.sequence == ["rule", "llm"]

    catalog, counts = ask_in_turn(after)
    labels, found = catalog.load("labels").set_index("clip_id"), catalog.load("guarantee")["topic"]
    cooking = after.tables["clips"].tail(150)["text"].str.contains("cooking")
    spared = set(after.tables["clips"].tail(150)["clip_id"][cooking])
    assert len(spared) > 30
    assert (counts["calibration_tests"], counts["llm_clips_spared"]) == (0, len(spared))
    assert counts["llm_calls"] == 150 - len(spared)
    assert f"not asked about {len(spared)} clips" in found.message
    assert labels.loc[sorted(spared), "certified"].all()
    assert set(labels.loc[sorted(spared), "source"]) == {"rule"}
    kept = ["label", "probability", "probabilities", "source", "certified"]
    assert labels.loc[old.index, kept].equals(old[kept])
    certified = labels[labels["certified"]]
    assert (certified["label"].to_numpy() != after.truth[certified.index].to_numpy()).mean() <= 0.05

    written = _bytes(tmp_path)
    _, counts = ask_in_turn(after)
    assert (counts["llm_calls"], counts["llm_clips_spared"]) == (0, len(spared))
    assert _bytes(tmp_path) == written


def test_a_new_test_waits_until_all_is_asked(ask_in_turn: Run) -> None:
    before, after = _grown(clips=1400, labelled=900, extra=150)
    ask_in_turn(before)
    _, counts = ask_in_turn(after)
    spared = counts["llm_clips_spared"]
    assert spared > 30
    catalog, counts = ask_in_turn(after, words=("cooking", "food"), is_down=True)
    assert (counts["calibration_tests"], counts["llm_clips_spared"], counts["llm_unanswered"]) == (0, 0, spared)
    assert not catalog.load("labels")["certified"].any()
    assert f"{spared} questions to the language model have no answer yet" in catalog.load("guarantee")["topic"].message
    catalog, counts = ask_in_turn(after, words=("cooking", "food"))
    assert (counts["calibration_tests"], counts["llm_clips_spared"], counts["llm_calls"]) == (1, 0, spared)
    (llm,) = (one for one in catalog.load("guarantee")["topic"].sources if one["source"] == "llm")
    assert llm["answers"] == 650


def test_all_is_asked_where_the_surest_machine_is_taken(ask_in_turn: Run) -> None:
    before, after = _grown(clips=1400, labelled=900, extra=150)
    catalog, _ = ask_in_turn(before, per_class=True)
    assert catalog.load("labels")["certified"].any()
    _, counts = ask_in_turn(after, per_class=True)
    assert (counts["llm_clips_spared"], counts["llm_calls"]) == (0, 150)


def test_clips_beyond_the_limit_of_the_language_model_are_neither_tested_nor_certified(
    ask_in_turn: Run, tmp_path: Path
) -> None:
    feed = Feed(clips=1400, labelled=500)
    catalog, _ = ask_in_turn(feed, most=800)
    found = catalog.load("guarantee")["topic"]
    assert (found.calibration["tested"], found.calibration["ineligible"]) == (500, {})
    assert (found.pool, found.pool_ineligible, found.accepted) == (900, {"limit": 600}, 300)
    assert "cannot be certified: 600, since the language model is asked about label.llm.max_clips" in found.message
    labels = catalog.load("labels").set_index("clip_id")
    asked = set(catalog.load("llm_annotations")["clip_id"])
    assert set(labels.index[labels["certified"]]) == asked & set(labels.index[labels["source"] != "human"])
    beyond = labels.index[(labels["source"] == "rule") & ~labels.index.isin(asked)]
    assert len(beyond) > 150

    written = _bytes(tmp_path)
    _, counts = ask_in_turn(feed, most=800)
    assert (counts["llm_calls"], counts["calibration_tests"]) == (0, 0)
    assert _bytes(tmp_path) == written


RULES_ALONE = {
    "terms": {"machines": {"rule": []}, "version": "9185c633542e7271382b174365c32f281597ac350c4ece4305f9897b168b9a5c"},
    "verdicts": [
        {"accepted": 900, "answer": "", "more_labels": 0, "p_value": 0.0012237008634379996, "sequence": ["rule"]}
        | {"thresholds": {"rule": 0.8}, "wrong": 26}
    ],
}
RULE_AND_LANGUAGE_MODEL = {
    "terms": {
        "machines": {"llm": ["prompt@f5c6506d4070 oracle@1"], "rule": []},
        "version": "e59b9867b04bdef2c4660aa3321e90153737b4c347e7fc8426a55cd0c2ab3718",
    },
    "verdicts": [
        {"accepted": 900, "answer": "", "more_labels": 0, "p_value": 0.003753960301255259, "sequence": ["rule", "llm"]}
        | {"thresholds": {"llm": 0.9, "rule": 0.9}, "wrong": 28}
    ],
}
"""Tests as an earlier version wrote them, of `Feed(1400, 900)`: their terms must answer today's question.

The one with the language model holds for the shipped prompt `bare`, whose hash it names.
"""


@pytest.mark.parametrize("earlier", [RULES_ALONE, RULE_AND_LANGUAGE_MODEL])
def test_a_test_of_an_earlier_version_holds_on_and_nothing_is_spent(
    run_label: Run, ask_in_turn: Run, tmp_path: Path, earlier: dict[str, Any]
) -> None:
    feed = Feed(clips=1400, labelled=900)
    said = feed.tables["annotations"]
    record = {"capability": "topic", "delta": 0.025, "labels": dict(zip(said["clip_id"], said["label"], strict=True))}
    terms = {"alpha": 0.05, "delta": 0.05, "per_class": False} | earlier["terms"]
    account = tmp_path / "data/05_model_input/calibration_tests.jsonl"
    account.parent.mkdir(parents=True)
    account.write_text(json.dumps(earlier | record | {"terms": terms}, sort_keys=True) + "\n")
    written = account.read_bytes()
    catalog, counts = ask_in_turn(feed) if "llm" in terms["machines"] else _run(run_label, feed)
    found, labels = catalog.load("guarantee")["topic"], catalog.load("labels")
    assert counts["calibration_tests"] == 0
    assert account.read_bytes() == written
    assert (found.delta_of_this_test, found.delta_spent, found.accepted) == (0.025, 0.025, 500)
    assert found.results[0].thresholds == earlier["verdicts"][0]["thresholds"]
    assert int(labels["certified"].sum()) == 500
