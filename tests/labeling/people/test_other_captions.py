import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.people import other_captions
from cu_pipeline.labeling.people.other_captions import Captions, OtherCaptions, Questions
from cu_pipeline.labeling.people.votes import Opinion

CLASSES = ("a", "b", "c", "d")
FOLDS = 3
SEED = 5


@pytest.fixture(scope="module")
def told() -> tuple[list[str], np.ndarray]:
    """Captions of 90 clips, one of which says nothing, and what people say of them; of d they say nothing."""
    random = np.random.default_rng(2)
    answers = random.integers(0, 3, 90)
    words = [[f"{CLASSES[one]}{random.integers(9)}" for _ in range(6)] for one in answers]
    given = np.full((90, 4), 0.05)
    given[np.arange(90), answers] = 0.85
    given[random.random((90, 4)) < 0.2] = 0.6
    return ["", *(" ".join(row) for row in words[1:])], given


def plain(texts: list[str], answers: np.ndarray, number: int, most: int) -> np.ndarray:
    """A pipeline for each fold, learned from a matrix of its own."""
    fold = np.random.default_rng(SEED).permutation(len(texts)) % FOLDS
    shares = (np.bincount(answers, minlength=number) + 1) / (len(answers) + number)
    result = np.tile(shares, (len(texts), 1))
    documents = np.array(texts, dtype=object)
    for one in range(FOLDS):
        learned, mine = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        if len(learned) > most:
            learned = np.random.default_rng([SEED, one]).choice(learned, most, replace=False)
        present = np.unique(answers[learned])
        if len(present) < 2:
            continue
        model = make_pipeline(
            TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", sublinear_tf=True, ngram_range=(1, 2)),
            LogisticRegression(C=10, max_iter=1000),
        ).fit(documents[learned], answers[learned])
        known = shares[present].sum()
        result[np.ix_(mine, present)] = 0.02 * shares[present] + 0.98 * known * model.predict_proba(documents[mine])
    return result


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("most", [1000, 40])
def test_what_is_told_is_that_of_a_pipeline_for_each_fold_and_question(
    told: tuple[list[str], np.ndarray], kind: Kind, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, given = told
    monkeypatch.setattr(other_captions, "MOST_LEARNED", most)
    opinion = Opinion(given, np.arange(len(given), dtype=np.int32), np.ones(len(given), dtype=np.int64))
    found = OtherCaptions(Captions.of(texts), Questions(opinion, Capability(kind=kind, classes=CLASSES)), FOLDS, SEED)
    if kind is Kind.SINGLE:
        wanted = plain(texts, given.argmax(axis=1), 4, most)
    else:
        wanted = np.column_stack([plain(texts, (one > 0.5).astype(int), 2, most)[:, 1] for one in given.T])
    whole = found.of(np.arange(90))
    assert np.array_equal(whole, wanted)
    for size in (1, 7, 64):
        blocks = [found.of(np.arange(at, min(at + size, 90))) for at in range(0, 90, size)]
        assert np.array_equal(np.concatenate(blocks), whole), "blocks change nothing, to the last bit"
