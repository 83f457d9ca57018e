from collections import Counter

import pytest

from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.sample.people import SAFETY_LABELS, opinions
from cu_pipeline.sample.world import ANNOTATORS, TOPICS


def test_each_annotator_errs_at_the_stated_rate_and_uniformly():
    trials, wrong = 2000, Counter()
    for trial in range(trials):
        for name, label in opinions(list(ANNOTATORS), "pets", TOPICS, "trial", trial).items():
            wrong[name] += label != "pets"
            wrong[label] += 1
    for name, rate in ANNOTATORS.items():
        four_deviations = 4 * (rate * (1 - rate) / trials) ** 0.5
        assert wrong[name] / trials == pytest.approx(rate, abs=four_deviations)
    mistakes = [wrong[topic] for topic in TOPICS if topic != "pets"]
    expected = sum(mistakes) / len(mistakes)
    assert all(count == pytest.approx(expected, abs=4 * expected**0.5) for count in mistakes)


def test_labels_of_several_classes_are_mistaken_for_each_other():
    assert SAFETY_LABELS == ("none", "advert", "violence", "advert|violence")


def test_feed_has_unlabelled_clips_gold_clips_and_one_to_four_annotators_on_the_rest():
    plans = plan_world(SampleOptions(clips=600, near_duplicates=0, broken=0))
    sizes = Counter(len(plan.annotations) for plan in plans)
    assert set(sizes) == {0, 1, 2, 3, 4}
    assert sizes[0] / 600 == pytest.approx(0.12, abs=0.05)
    gold = [plan for plan in plans if plan.label]
    assert len(gold) / (600 - sizes[0]) == pytest.approx(0.4, abs=0.085)
    assert all(plan.annotations and plan.label == plan.topic for plan in gold)
    assert [plan for plan in plans if plan.drawn] == gold
    assert {name for plan in plans for name, _ in plan.annotations} == set(list(ANNOTATORS)[:5])


def test_majority_of_people_is_mostly_right():
    plans = plan_world(SampleOptions(clips=600, near_duplicates=0, broken=0))
    votes = [(Counter(label for _, label in plan.annotations), plan.topic) for plan in plans if plan.annotations]
    right = sum(count.most_common(1)[0][0] == topic for count, topic in votes)
    assert right / len(votes) > 0.9


def test_world_without_annotators_has_no_annotations():
    plans = plan_world(SampleOptions(clips=20, annotators=0))
    assert not any(plan.annotations or plan.annotations_safety for plan in plans)
