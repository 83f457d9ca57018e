import numpy as np
import pytest

from cu_pipeline.core.capability import Capability, Kind, join_label
from cu_pipeline.llm.clients.protocol import Answer, Generated, Scored, Unanswered
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.interpret import (
    Interpretation,
    class_probabilities,
    interpret,
    parse_answer,
    parse_answers,
)
from cu_pipeline.llm.methods.question_plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import Task

TASK = Task("topic", Capability(classes=("cooking", "pets")), "", ("N/A",), 100)
MULTI = Task("safety", Capability(kind=Kind.MULTI, classes=("advert", "violence")), "everyday life", ("N/A",), 100)
EVEN = np.array([0.5, 0.5])


def _plan(method: str, captions: int, bias: tuple[float, ...] = (), task: Task = TASK) -> Plan:
    recipe = Recipe(prompt="p", template="{{ text }}:", method=method, bias=bias)
    return plan(recipe, task, [ClipInputs(f"caption {number}") for number in range(captions)], Pool())


def _read(asked: Plan, answers: list[Answer], priors: np.ndarray = EVEN) -> Interpretation:
    known = {one.key("model"): answer for one, answer in zip(asked.everything, answers, strict=False)}
    return interpret(asked, known, "model", priors)


def _scored(*shares: float) -> Scored:
    return Scored(tuple(np.log(shares)), 10)


def test_raw_scores_are_taken_as_they_come() -> None:
    reading = _read(_plan("score", 1), [_scored(0.6, 0.2)], np.array([0.1, 0.9]))
    assert np.allclose(reading.probabilities, [[0.75, 0.25]])


def test_batch_calibration_divides_by_the_mean_answer() -> None:
    reading = _read(_plan("score_batch", 2), [_scored(0.9, 0.1), _scored(0.7, 0.3)])
    mean = np.array([0.8, 0.2])
    expected = np.array([[0.9, 0.1], [0.7, 0.3]]) / mean
    assert np.allclose(reading.probabilities, expected / expected.sum(axis=1, keepdims=True))
    assert np.allclose(np.exp(reading.bias), mean)


def test_a_recorded_bias_makes_batch_calibration_independent_of_the_batch() -> None:
    bias = tuple(np.log([0.8, 0.2]))
    together = _read(_plan("score_batch", 2, bias), [_scored(0.9, 0.1), _scored(0.7, 0.3)])
    alone = _read(_plan("score_batch", 1, bias), [_scored(0.9, 0.1)])
    assert np.allclose(alone.probabilities, together.probabilities[:1])
    joint = np.array([[0.9 / 0.8, 0.1 / 0.2]])
    assert np.allclose(alone.probabilities, joint / joint.sum())


def test_content_free_calibration_needs_its_answer() -> None:
    asked = _plan("score_content_free", 1)
    found = _read(asked, [_scored(0.8, 0.2), _scored(0.8, 0.2)], np.array([0.3, 0.7]))
    assert np.allclose(found.probabilities, [[0.3, 0.7]])
    assert not _read(asked, [Unanswered("no"), _scored(0.8, 0.2)]).answered.any()


def test_a_caption_without_an_answer_has_none_and_moves_no_other() -> None:
    reading = _read(_plan("score_batch", 3), [_scored(0.9, 0.1), Unanswered("no"), _scored(0.7, 0.3)])
    assert reading.answered.tolist() == [True, False, True]
    both = _read(_plan("score_batch", 2), [_scored(0.9, 0.1), _scored(0.7, 0.3)])
    assert np.allclose(reading.probabilities[[0, 2]], both.probabilities)


def test_written_answers_are_parsed_and_failures_counted() -> None:
    words = [Generated("Cooking!", 5, 2), Generated("weather", 5, 1)]
    reading = _read(_plan("generate", 3), [*words, Unanswered("no")])
    assert reading.probabilities.tolist() == [[1, 0], [0.5, 0.5], [0.5, 0.5]]
    assert reading.answered.tolist() == [True, False, False]
    assert reading.unparsed == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("pets", 1),
        ("\n\n  PETS and cooking", 1),
        ("Answer: cooking.", 0),
        ("precooking", None),
        ("", None),
        ("no\npets", None),
        ("pets and vets are fun", 2),
    ],
)
def test_the_first_class_named_in_the_first_line_counts(text: str, place: int | None) -> None:
    assert parse_answer(text, ("cooking", "pets", "pets and vets")) == place


def test_each_class_of_several_is_weighed_against_the_contrast_and_its_mean_answer() -> None:
    reading = _read(_plan("score_batch", 2, task=MULTI), [_scored(0.6, 0.1, 0.2), _scored(0.1, 0.1, 0.3)])
    against = np.array([[0.6 / 0.8, 0.1 / 0.3], [0.1 / 0.4, 0.1 / 0.4]])
    odds = (against / (1 - against)) / (against.mean(axis=0) / (1 - against.mean(axis=0)))
    assert np.allclose(reading.probabilities, odds / (1 + odds))


def test_the_recorded_bias_of_several_classes_gives_the_same_answers_without_the_batch() -> None:
    answers = [_scored(0.6, 0.1, 0.2), _scored(0.1, 0.1, 0.3)]
    together = _read(_plan("score_batch", 2, task=MULTI), list(answers), np.array([0.4, 0.1]))
    alone = _read(_plan("score_batch", 1, together.bias, MULTI), [answers[0]], np.array([0.4, 0.1]))
    assert np.allclose(alone.probabilities, together.probabilities[:1])
    assert alone.bias == pytest.approx(together.bias)


def test_several_classes_are_read_from_what_was_written() -> None:
    words = [Generated("Violence, advert!", 5, 2), Generated("nothing at all", 5, 2), Generated("weather", 5, 1)]
    reading = _read(_plan("generate", 4, task=MULTI), [*words, Unanswered("no")], np.array([0.3, 0.1]))
    assert reading.probabilities.tolist() == [[1, 1], [0, 0], [0.3, 0.1], [0.3, 0.1]]
    assert reading.answered.tolist() == [True, True, False, False]
    assert reading.unparsed == 1


def test_every_combination_that_can_be_chosen_is_read_back() -> None:
    task = Task("x", Capability(kind=Kind.MULTI, classes=("news", "good news", "ad")), "no news", ("N/A",), 100)
    asked = _plan("choose", 8, task=task)
    choices = task.choices("plain")
    reading = _read(asked, [Generated(choice, 5, 2) for choice in choices], np.full(3, 0.5))
    assert [task.words(label, "plain") for label in _labels(reading, task)] == list(choices)


def _labels(reading: Interpretation, task: Task) -> list[str]:
    named = np.array(task.capability.classes, dtype=object)
    return [join_label(list(named[row > 0.5]), task.capability.kind) for row in reading.probabilities]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("advert", (0,)),
        ("\n\n VIOLENCE and Advert.", (0, 1)),
        ("violence, violence", (1,)),
        ("everyday life", ()),
        ("None. No advert.", ()),
        ("none, though some say advert", ()),
        ("advert, and nothing else", (0,)),
        ("no advert, no violence", ()),
        ("advert but not violence", (0,)),
        ("adverts", None),
        ("a sunny day\nadvert", None),
        ("", None),
        ("no", None),
    ],
)
def test_all_classes_named_in_the_first_line_count(text: str, places: tuple[int, ...] | None) -> None:
    assert parse_answers(text, ("advert", "violence"), ("everyday life", "none", "nothing")) == places


def test_the_longest_of_overlapping_classes_is_meant_even_after_a_no() -> None:
    assert parse_answers("no smoking", ("smoking", "no smoking"), ("none",)) == (1,)
    assert parse_answers("fake news, news", ("news", "fake news"), ("none",)) == (0, 1)
    assert parse_answers("fake news", ("news", "fake news"), ("none",)) == (1,)


def test_single_probabilities_follow_bayes_rule() -> None:
    clips, nothing = np.log([[0.5, 0.5]]), np.log([[0.8, 0.2]])
    even = class_probabilities(clips, nothing, np.array([0.5, 0.5]), Kind.SINGLE)
    assert np.allclose(even, [[0.2, 0.8]])
    rare = class_probabilities(clips, nothing, np.array([0.9, 0.1]), Kind.SINGLE)
    assert np.allclose(rare, [[0.9 * 0.2 / (0.9 * 0.2 + 0.1 * 0.8), 0.1 * 0.8 / (0.9 * 0.2 + 0.1 * 0.8)]])


def test_classes_of_a_multi_label_are_weighed_against_the_contrast_alone() -> None:
    clips, nothing = np.log([[0.3, 0.01, 0.1]]), np.log([[0.1, 0.1, 0.1]])
    both = class_probabilities(clips, nothing, np.array([0.5, 0.2]), Kind.MULTI)
    assert np.allclose(both, [[0.75, 0.01 * 0.2 / (0.01 * 0.2 + 0.1 * 0.8)]])
    clips[0, 1] = np.log(0.6)
    assert class_probabilities(clips, nothing, np.array([0.5, 0.2]), Kind.MULTI)[0, 0] == pytest.approx(0.75)
