import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.people import votes as module
from cu_pipeline.labeling.people.votes import GOLD, count_votes

TOPIC = Capability(classes=("a", "b", "c"))
SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))


def _count(annotations: pd.DataFrame, capability: Capability = TOPIC, clips: str = "1"):
    return count_votes(annotations, pd.Index(list(clips)), capability, 0.5)


def test_shares_follow_the_votes_and_the_prior(votes) -> None:
    opinion = _count(votes(("1", "ann", "a"), ("1", "bob", "a"), ("1", "cyd", "b")))
    assert opinion.voters.tolist() == [3]
    expected = [(2 + 0.5 / 3) / 3.5, (1 + 0.5 / 3) / 3.5, (0.5 / 3) / 3.5]
    assert np.allclose(opinion.probabilities, [expected])


def test_more_agreeing_people_are_more_certain(votes) -> None:
    opinions = [("1", "ann", "a"), *(("2", who, "a") for who in ("ann", "bob", "cyd"))]
    lone, three = _count(votes(*opinions), clips="12").probabilities[:, 0]
    assert 0.5 < lone < three < 1


def test_each_class_of_a_multi_label_is_voted_on_its_own(votes) -> None:
    opinions = (("1", "ann", "advert|violence"), ("1", "bob", "advert"), ("1", "cyd", "none"))
    opinion = _count(votes(*opinions), SAFETY)
    assert np.allclose(opinion.probabilities, [[2.25 / 3.5, 1.25 / 3.5]])


def test_the_feeds_own_label_wins(votes) -> None:
    opinion = _count(votes(("1", "ann", "b"), ("1", "bob", "b"), ("1", GOLD, "a")))
    assert opinion.probabilities.tolist() == [[1, 0, 0]]
    assert opinion.voters.tolist() == [1]


def test_none_from_the_feed_is_a_label_and_an_empty_one_is_not(votes) -> None:
    opinion = _count(votes(("1", GOLD, "none"), ("2", "ann", "")), SAFETY, clips="12")
    assert opinion.voters.tolist() == [1, 0]
    assert opinion.probabilities[0].tolist() == [0, 0]


def test_a_person_votes_once_and_the_last_time_counts(votes) -> None:
    opinion = _count(votes(("1", "ann", "a"), ("1", "ann", "b")))
    assert opinion.voters.tolist() == [1]
    assert opinion.probabilities.argmax() == 1


def test_opinions_on_refused_clips_are_left_out(votes) -> None:
    assert _count(votes(("refused", "ann", "a"))).voters.tolist() == [0]


@pytest.mark.parametrize("capability", [TOPIC, SAFETY])
def test_shares_are_those_of_counting_clip_by_clip_whatever_the_blocks(
    votes, capability: Capability, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(3)
    clips, people = [f"{number:02}" for number in range(40)], ["ann", "bob", "cyd", GOLD]
    names = ["none", "|".join(capability.classes), *capability.classes][2 * (capability.kind is Kind.SINGLE) :]
    said = [(clip, who, str(random.choice(names))) for clip in clips for who in people if random.random() < 0.4]
    random.shuffle(said)
    answers = len(capability.classes) if capability.kind is Kind.SINGLE else 2
    wanted = []
    for clip in clips:
        mine = {who: label.split("|") for one, who, label in said if one == clip}
        share = [(sum(name in named for who, named in mine.items() if who != GOLD) + 0.5 / answers)
                 / (len(mine.keys() - {GOLD}) + 0.5) for name in capability.classes]  # fmt: skip
        wanted.append([float(name in mine[GOLD]) for name in capability.classes] if GOLD in mine else share)
    for size in (1000, 7):
        monkeypatch.setattr(module, "BATCH", size)
        opinion = count_votes(votes(*said), pd.Index(clips), capability, 0.5)
        assert opinion.probabilities.tolist() == wanted
        assert opinion.of(slice(3, 9)).tolist() == wanted[3:9]
        assert len(opinion.shared) == len({tuple(row) for row in wanted}), "clips share what is the same"


@pytest.mark.parametrize("people", [1, 2, 5])
def test_single_label_shares_sum_to_one(votes, people: int) -> None:
    opinions = [("1", f"person {place}", "abc"[place % 3]) for place in range(people)]
    assert _count(votes(*opinions)).probabilities.sum() == pytest.approx(1)
