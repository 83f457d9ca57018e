import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.people.annotator_quality import (
    agreement_messages,
    alpha_interval,
    annotator_tables,
    krippendorff_alpha,
    peer_agreement,
)
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.votes import votes_by_question

TOPIC = {"topic": Capability(classes=("a", "b", "c"))}
BINARY = {"hateful": Capability(classes=("0", "1"))}

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: 4 observers, 12 units, 0: missing
KRIPPENDORFF = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
)


def _counts(answers: Sequence[Sequence[int]]) -> np.ndarray:
    table = np.array(answers).T
    return np.stack([(table == answer).sum(axis=1) for answer in range(1, table.max() + 1)], axis=1).astype(float)


def _crowd(truth: np.ndarray, people: dict[str, float | str], classes: str, share: float, seed: int) -> pd.DataFrame:
    """Let each person answer a share of the clips: right with a probability, at random, or always the same."""
    random = np.random.default_rng(seed)
    rows = []
    for name, skill in people.items():
        for clip in np.flatnonzero(random.random(len(truth)) < share):
            wrong = [one for one in classes if one != classes[truth[clip]]]
            if isinstance(skill, str):
                answer = skill if skill in classes else str(random.choice(list(classes)))
            else:
                answer = classes[truth[clip]] if random.random() < skill else str(random.choice(wrong))
            rows.append((str(clip), name, answer))
    return pd.DataFrame(rows, columns=["clip_id", "annotator", "label"]).assign(kind="human", capability="topic")


def _verdicts(tables: dict[str, dict[str, dict]]) -> dict[str, str]:
    (questions,) = tables.values()
    (one,) = questions.values()
    return {name: row["verdict"] for name, row in one["annotators"].items()}


def test_alpha_is_that_of_the_published_example() -> None:
    assert krippendorff_alpha(_counts(KRIPPENDORFF)) == pytest.approx(0.743, abs=0.0005)


def test_alpha_is_one_for_agreement_and_undefined_without_pairs_or_variety() -> None:
    assert krippendorff_alpha(np.array([[2.0, 0], [0, 3.0]])) == 1
    assert krippendorff_alpha(np.array([[1.0, 0], [0, 1.0]])) is None
    assert krippendorff_alpha(np.array([[2.0, 0], [3.0, 0]])) is None
    assert alpha_interval(np.array([[1.0, 0]]), 0, 50) is None


@pytest.mark.parametrize(("clips", "share"), [(6, 0.5), (30, 0.5), (40, 0.05), (300, 0.02)])
def test_two_people_who_always_agree_are_informative(clips: int, share: float) -> None:
    truth = (np.arange(clips) < share * clips).astype(int)
    said = _crowd(truth, {"ann": 1.0, "bob": 1.0}, "ab", 1.1, 0)
    corpus = pd.DataFrame({"clip_id": [str(place) for place in range(clips)]})
    tables = annotator_tables(corpus, said, {"topic": Capability(classes=("a", "b"))}, PeopleOptions(), 1)
    assert tables["topic"]["topic"]["alpha"] == 1
    assert _verdicts(tables) == {"ann": "informative", "bob": "informative"}
    assert agreement_messages(tables) == ["topic: people agree with Krippendorff's alpha 1.00 (1.00–1.00)"]


def test_alpha_of_random_answers_is_about_zero_and_its_interval_holds_zero() -> None:
    random = np.random.default_rng(5)
    counts = random.multinomial(3, [0.2, 0.3, 0.5], size=600).astype(float)
    low, high = alpha_interval(counts, 1, 300)
    assert abs(krippendorff_alpha(counts)) < 0.06
    assert low < 0 < high


def test_peer_agreement_counts_pairs_on_shared_clips(votes) -> None:
    opinions = (("1", "ann", "a"), ("1", "bob", "a"), ("1", "cyd", "b"), ("2", "dan", "a"))
    question = votes_by_question(votes(*opinions), pd.Index(["1", "2"]), TOPIC["topic"])[""]
    assert np.allclose(peer_agreement(question), [0.5, 0.5, 0.0, np.nan], equal_nan=True)


def test_accuracy_and_confusion_are_those_worked_out_by_hand(clips, votes) -> None:
    """Gold aabb, answers aaba: 3 of 4 right, so 8/11 beforehand; rows (2 + 4 * 8/11) / 6 and (1 + 4 * 8/11) / 6."""
    gold = [(name, "label", label) for name, label in zip("1234", "aabb", strict=True)]
    said = [(name, "ann", label) for name, label in zip("1234", "aaba", strict=True)]
    topic = {"topic": Capability(classes=("a", "b"))}
    table = annotator_tables(clips(dict.fromkeys("1234", "")), votes(*gold, *said), topic, PeopleOptions(), 0)
    ann = table["topic"]["topic"]["annotators"]["ann"]
    assert ann["confusion"] == [[0.8182, 0.1818], [0.3485, 0.6515]]
    assert ann["accuracy"] == pytest.approx((0.8182 + 0.6515) / 2, abs=1e-4)
    assert (ann["votes"], ann["peer_agreement"], ann["verdict"]) == (4, None, "undecided")


def test_the_log_has_one_line_for_all_who_are_named() -> None:
    row = {"votes": 90, "informativeness": 0.0}
    verdicts = ["spammer"] * 3 + ["undecided"] * 610 + ["informative"] * 206
    people = {f"p{place}": row | {"verdict": verdict} for place, verdict in enumerate(verdicts)}
    tables = {"topic": {"topic": {"alpha": None, "alpha_ci95": None, "annotators": people}}}
    assert agreement_messages(tables) == [
        "topic: 3 of 819 annotators answer no better than chance, 610 undecided: see `verdict` in agreement.json"
    ]


def test_spammers_and_random_annotators_are_found_and_nobody_else(clips) -> None:
    for seed in range(6):
        truth = np.random.default_rng(seed).choice(3, size=400, p=[0.5, 0.3, 0.2])
        people = {"ann": 0.95, "bob": 0.85, "cyd": 0.75, "dan": 0.6, "lazy": "a", "dice": "?"}
        crowd = _crowd(truth, people, "abc", 0.6, seed)
        tables = annotator_tables(clips({str(n): "" for n in range(400)}), crowd, TOPIC, PeopleOptions(), seed)
        assert _verdicts(tables) == {
            "ann": "informative",
            "bob": "informative",
            "cyd": "informative",
            "dan": "informative",
            "dice": "spammer",
            "lazy": "spammer",
        }
        lines = agreement_messages(tables)
        assert "topic: people agree with Krippendorff's alpha" in lines[0]
        assert lines[1:] == [
            "topic: 2 of 6 annotators answer no better than chance, 0 undecided: see `verdict` in agreement.json"
        ]


def test_an_annotators_own_answers_do_not_speak_for_them(clips) -> None:
    truth = np.random.default_rng(7).choice(3, size=500)
    usable = clips({str(n): "" for n in range(500)})
    crowd = _crowd(truth, {"ann": 0.8, "bob": 0.8, "dice": "?"}, "abc", 0.5, 7)
    tables = annotator_tables(usable, crowd, TOPIC, PeopleOptions(), 7)
    assert tables["topic"]["topic"]["annotators"]["dice"]["informativeness"] < 0.05
    alone = annotator_tables(usable, crowd[crowd["annotator"] == "ann"], TOPIC, PeopleOptions(), 7)
    assert alone["topic"]["topic"]["annotators"]["ann"]["informativeness"] is None
    assert [_verdicts(one)[name] for one, name in ((tables, "dice"), (alone, "ann"))] == ["spammer", "undecided"]


def test_few_votes_accuse_nobody(clips) -> None:
    truth = np.random.default_rng(0).choice(3, size=12)
    crowd = _crowd(truth, {"ann": 0.95, "bob": 0.9, "dice": "?"}, "abc", 1.0, 0)
    tables = annotator_tables(clips({str(n): "" for n in range(12)}), crowd, TOPIC, PeopleOptions(), 0)
    assert "spammer" not in _verdicts(tables).values()


def test_multi_label_has_a_question_for_each_class_and_nothing_known_is_null(clips, votes) -> None:
    safety = {"safety": Capability(kind=Kind.MULTI, classes=("advert", "violence"))}
    annotations = votes(("1", "ann", "advert"), ("2", "label", "none"), capability="safety")
    table = annotator_tables(clips({"1": "", "2": ""}), annotations, safety, PeopleOptions(), 0)["safety"]
    assert list(table) == ["advert", "violence"]
    assert table["advert"]["alpha"] is None
    assert list(table["advert"]["annotators"]) == ["ann"]
    ann = table["advert"]["annotators"]["ann"]
    assert (ann["votes"], ann["peer_agreement"], ann["informativeness"], ann["verdict"]) == (1, None, None, "undecided")
    json.dumps(table, allow_nan=False)


def test_planted_spammers_among_real_annotators_are_found(shared_data: Path, clips) -> None:
    feed = pd.read_csv(shared_data / "hs_brexit" / "manifest.csv", dtype=str)
    rows = [(row.clip_id, *vote) for row in feed.itertuples() for vote in json.loads(row.annotations).items()]
    random = np.random.default_rng(3)
    for clip in feed["clip_id"]:
        rows += [(clip, "dice", str(random.integers(2))), (clip, "always 0", "0"), (clip, "always 1", "1")]
    annotations = pd.DataFrame(rows, columns=["clip_id", "annotator", "label"])
    annotations = annotations.assign(kind="human", capability="hateful")
    usable = clips(dict.fromkeys(feed["clip_id"], ""))
    planted = annotations["annotator"].isin(["dice", "always 0", "always 1"])
    people = annotator_tables(usable, annotations[~planted], BINARY, PeopleOptions(), 1)
    assert people["hateful"]["hateful"]["alpha"] == pytest.approx(0.3475, abs=1e-4)
    assert set(_verdicts(people).values()) == {"informative"}
    verdicts = _verdicts(annotator_tables(usable, annotations, BINARY, PeopleOptions(), 1))
    assert {name for name, verdict in verdicts.items() if verdict == "spammer"} == {"dice", "always 0", "always 1"}
    assert sum(verdict == "informative" for verdict in verdicts.values()) == 6
