import numpy as np
import pytest

from cu_pipeline.labeling.guarantee.thresholds import Target, certify, certify_each_answer, route, threshold_paths

LLM, PERSON = 0.0002, 0.04
CORPORA, DELTA = 500, 0.05


def _source(random: np.random.Generator, clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a source that is right on 85 % of clips and well ranked.

    Its confidence is its true chance of being right, from Beta(0.85, 0.15): it ranks right above wrong answers
    with an area under the ROC curve of 0.945.
    """
    confidence = random.beta(0.85, 0.15, clips)
    return confidence[:, None], (random.random(clips) < confidence)[:, None]


def test_clips_go_to_the_first_source_that_is_sure_enough() -> None:
    confidence = np.array([[0.9, 0.1], [0.5, 0.8], [0.1, 0.2]])
    assert route(confidence, np.array([0.8, 0.7])).tolist() == [0, 1, 2]
    assert route(confidence, np.array([[np.inf, 0.2], [0.0, 0.0]])).tolist() == [[2, 1, 1], [0, 0, 0]]


def test_paths_accept_more_at_each_step() -> None:
    pool = np.random.default_rng(0).random((500, 2))
    paths = threshold_paths(pool)
    assert len(paths) == 3
    for path in paths:
        accepted = (route(pool, path) < 2).mean(axis=1)
        assert (np.diff(accepted) >= 0).all()
        assert accepted[-1] == 1
    assert np.isinf(paths[1][:, 1]).all()
    assert np.isinf(paths[2][:, 0]).all()


def test_too_few_labels_certify_nothing_and_the_number_lacking_suffices() -> None:
    random = np.random.default_rng(4)
    confidence, right = _source(random, 30)
    pool, _ = _source(random, 4000)
    terms = Target(0.05, DELTA, {"llm": LLM}, PERSON)
    none = certify(confidence, right, pool, terms)
    assert not none.certified
    assert none.more_labels > 59 - 30
    more, more_right = _source(random, 2 * none.more_labels)
    enough = certify(np.vstack([confidence, more]), np.vstack([right, more_right]), pool, terms)
    assert enough.certified
    assert enough.more_labels == 0
    assert enough.p_value <= DELTA


def test_no_labels_and_no_pool_certify_nothing() -> None:
    terms = Target(0.05, DELTA, {"llm": LLM}, PERSON)
    pool, _ = _source(np.random.default_rng(0), 1000)
    blank = certify(np.empty((0, 1)), np.empty((0, 1), dtype=bool), pool, terms)
    assert (blank.certified, blank.more_labels) == (False, 59)
    assert not certify(pool, np.ones((1000, 1), dtype=bool), np.empty((0, 1)), terms).certified


def test_a_source_that_is_wrong_too_often_is_refused_for_good() -> None:
    random = np.random.default_rng(1)
    confidence, right = random.random((2000, 1)), random.random((2000, 1)) < 0.7
    refused = certify(confidence, right, random.random((2000, 1)), Target(0.05, DELTA, {"llm": LLM}, PERSON))
    assert not refused.certified


def test_a_source_dearer_than_people_is_not_asked() -> None:
    random = np.random.default_rng(2)
    confidence, right = _source(random, 2000)
    refused = certify(confidence, right, confidence, Target(0.05, DELTA, {"llm": 2 * PERSON}, PERSON))
    assert (refused.certified, refused.more_labels) == (False, None)


def test_the_dearer_of_two_sources_is_asked_where_it_saves_money() -> None:
    random = np.random.default_rng(3)
    cheap, cheap_right = random.random((6000, 1)), random.random((6000, 1)) < 0.7
    good, good_right = _source(random, 6000)
    confidence, right = np.hstack([cheap, good]), np.hstack([cheap_right, good_right])
    chosen = certify(
        confidence[:2000], right[:2000], confidence[2000:], Target(0.05, 0.06, {"cheap": LLM, "dear": 0.002}, PERSON)
    )
    assert chosen.certified
    assert chosen.sequence == ["dear"]
    assert chosen.p_value <= 0.02
    accepted = confidence[2000:, 1] >= chosen.thresholds["dear"]
    assert (~good_right[2000:, 0][accepted]).mean() <= 0.05


def test_each_class_keeps_the_guarantee_on_its_own() -> None:
    random = np.random.default_rng(5)
    answer = random.integers(0, 2, 6000)
    confidence, right = _source(random, 6000)
    right[answer == 1] = random.random((int((answer == 1).sum()), 1)) < 0.9
    truth = np.where(right[:, 0], answer, 1 - answer)
    given = slice(0, 2000)
    named = np.array(["good", "bad"], dtype=object)
    good, bad = certify_each_answer(
        (confidence[given, 0], named[answer[given]]),
        named[truth[given]],
        (confidence[2000:, 0], named[answer[2000:]]),
        Target(0.05, DELTA, {"llm": LLM}, PERSON),
        ["good", "bad"],
    )
    assert (good.answer, bad.answer) == ("good", "bad")
    assert good.certified
    assert good.p_value <= DELTA / 2
    assert not bad.certified


@pytest.mark.slow
def test_the_guarantee_holds_and_saves_money_over_500_corpora() -> None:
    labels, clips = 500, 10_000
    broken = dict.fromkeys((0.02, 0.05, 0.1), 0)
    costs: dict[float, list[float]] = {alpha: [] for alpha in broken}
    for seed in range(CORPORA):
        confidence, right = _source(np.random.default_rng([seed, 17]), clips)
        pool, truth = confidence[labels:], right[labels:, 0]
        for alpha in broken:
            terms = Target(alpha, DELTA, {"llm": LLM}, PERSON)
            chosen = certify(confidence[:labels], right[:labels], pool, terms)
            accepted = pool[:, 0] >= chosen.thresholds.get("llm", np.inf)
            broken[alpha] += accepted.any() and (~truth[accepted]).mean() > alpha
            people = labels + (~accepted).sum()
            paid = people * PERSON + (clips if chosen.certified else labels) * LLM
            costs[alpha].append(paid / (people + truth[accepted].sum()) / PERSON)
    noise = 2 * np.sqrt(DELTA * (1 - DELTA) / CORPORA)
    shares = {alpha: number / CORPORA for alpha, number in broken.items()}
    means = {alpha: float(np.mean(values)) for alpha, values in costs.items()}
    print(f"share broken {shares}, cost against all-human {means}")  # noqa: T201
    assert max(shares.values()) <= DELTA + noise
    assert max(means.values()) <= 0.6


@pytest.mark.slow
def test_the_guarantee_is_tight_at_the_border() -> None:
    """A source whose every answer is wrong with chance alpha + 0.001 is accepted in at most delta of cases."""
    alpha, certified = 0.05, 0
    for seed in range(CORPORA):
        random = np.random.default_rng([seed, 23])
        right = random.random((400, 1)) >= alpha + 0.001
        terms = Target(alpha, DELTA, {"llm": LLM}, PERSON)
        certified += certify(random.random((400, 1)), right, random.random((400, 1)), terms).certified
    assert 0 < certified / CORPORA <= DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / CORPORA)
