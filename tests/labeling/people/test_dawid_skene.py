import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.people.crowd import fit_dawid_skene, people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.votes import Votes, count_votes, votes_by_question
from cu_pipeline.sample.clip_plans import labelled, original
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.sample.world import TOPICS

TOPIC = Capability(classes=("a", "b", "c"))
SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))


def _simulated(confusion: np.ndarray, clips: int, seed: int, gold: float = 0.0) -> tuple[Votes, np.ndarray]:
    random = np.random.default_rng(seed)
    people, answers, _ = confusion.shape
    truth = random.choice(answers, size=clips, p=np.arange(answers, 0, -1) / np.arange(1, answers + 1).sum())
    clip, annotator = (side.ravel() for side in np.meshgrid(np.arange(clips), np.arange(people), indexing="ij"))
    answer = np.array([random.choice(answers, p=confusion[j, truth[i]]) for i, j in zip(clip, annotator, strict=True)])
    known = np.where(random.random(clips) < gold, truth, -1)
    return Votes(clip, annotator, answer, clips, tuple(map(str, range(people))), answers, known), truth


def _coin(*accuracies: float, answers: int = 3) -> np.ndarray:
    right = np.array(accuracies)[:, None, None]
    return np.where(np.eye(answers, dtype=bool), right, (1 - right) / (answers - 1))


def test_confusions_are_recovered() -> None:
    true = _coin(0.9, 0.8, 0.7, 0.55)
    true[3] = [[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]
    question, truth = _simulated(true, 1500, 1)
    fitted = fit_dawid_skene(question)
    assert np.abs(fitted.confusion - true).max() < 0.08
    assert np.allclose(fitted.confusion.sum(axis=2), 1)
    assert np.allclose(fitted.posterior.sum(axis=1), 1)
    right = (fitted.posterior.argmax(axis=1) == truth).mean()
    assert right > (question.counts().argmax(axis=1) == truth).mean()
    assert fitted.posterior.max(axis=1).mean() == pytest.approx(right, abs=0.02)


def test_the_best_of_many_bad_ones_is_believed() -> None:
    question, truth = _simulated(_coin(0.97, 0.45, 0.45, 0.45, 0.45), 800, 2, gold=0.1)
    fitted = fit_dawid_skene(question)
    assert (fitted.posterior.argmax(axis=1) == truth).mean() > 0.95
    assert fitted.accuracy.argmax() == 0


def test_gold_answers_stay_and_teach() -> None:
    clip, answer = np.arange(40), np.zeros(40, dtype=np.int64)
    gold = np.r_[np.full(20, 1), np.full(20, -1)]
    question = Votes(clip, np.zeros(40, dtype=np.int64), answer, 40, ("ann",), 2, gold)
    fitted = fit_dawid_skene(question)
    assert fitted.posterior[:20].tolist() == [[0, 1]] * 20
    assert fitted.confusion[0, 1, 0] > 0.8
    assert (fitted.posterior[20:, 1] > 0.5).all()


def test_nobodys_vote_gives_the_prior() -> None:
    question, _ = _simulated(_coin(0.9, 0.9), 50, 3)
    seen = question.clip > 0
    rest = Votes(question.clip[seen], question.annotator[seen], question.answer[seen], 50, ("0", "1"), 3, question.gold)
    fitted = fit_dawid_skene(rest)
    assert np.allclose(fitted.posterior[0], fitted.prior)


def test_answers_that_cannot_be_compared_count_alike(votes) -> None:
    annotations = votes(("1", "ann", "a"), ("2", "bob", "b"))
    clip_ids = pd.Index(["1", "2", "3"])
    said = people_say(annotations, clip_ids, TOPIC, PeopleOptions())
    plain = count_votes(annotations, clip_ids, TOPIC, 0.5)
    assert np.array_equal(said.probabilities, plain.probabilities)
    assert said.voters.tolist() == [1, 1, 0]


def test_each_class_of_a_multi_label_is_a_question_of_its_own(votes) -> None:
    opinions = [(str(clip), who, "advert") for clip in range(8) for who in ("ann", "bob")]
    opinions += [("8", "ann", "advert|violence"), ("8", "bob", "advert|violence"), ("9", "label", "none")]
    clip_ids = pd.Index([str(clip) for clip in range(10)])
    said = people_say(votes(*opinions), clip_ids, SAFETY, PeopleOptions())
    assert (said.probabilities[:9, 0] > 0.8).all()
    assert (said.probabilities[:8, 1] < 0.2).all()
    assert said.probabilities[8, 1] > 0.5
    assert said.probabilities[9].tolist() == [0, 0]
    assert said.voters[9] == 1


def test_ballots_keep_the_last_vote_and_leave_out_other_clips(votes) -> None:
    annotations = votes(("1", "ann", "a"), ("1", "ann", "b"), ("x", "ann", "c"), ("1", "label", "c"), ("2", "ann", ""))
    question = votes_by_question(annotations, pd.Index(["1", "2"]), TOPIC)[""]
    assert question.counts().tolist() == [[0, 1, 0], [0, 0, 0]]
    assert question.gold.tolist() == [2, -1]
    assert question.annotators == ("ann",)


def test_on_the_sample_world_it_beats_the_majority() -> None:
    capability = Capability(classes=TOPICS)
    gain = []
    for seed in range(6):
        options = SampleOptions(seed=seed, unlabelled=0.2)
        plans = [plan for number in range(240) if (plan := labelled(options, original(options, number))).annotations]
        rows = [(plan.clip_id, *vote) for plan in plans for vote in plan.annotations]
        annotations = pd.DataFrame(rows, columns=["clip_id", "annotator", "label"])
        clip_ids = pd.Index([plan.clip_id for plan in plans])
        truth = np.eye(len(TOPICS))[[TOPICS.index(plan.topic) for plan in plans]]
        losses = [
            ((people_say(annotations, clip_ids, capability, PeopleOptions(method=method)).probabilities - truth) ** 2)
            .sum(axis=1)
            .mean()
            for method in ("majority", "dawid_skene")
        ]
        gain.append(losses[0] - losses[1])
    assert min(gain) > 0
