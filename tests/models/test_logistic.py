import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from cu_pipeline.core.capability import Kind
from cu_pipeline.models import logistic
from cu_pipeline.models.logistic import Design, HardLabels, Regressions


def clips(n, columns, classes, seed=0):
    random = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=bool)[random.integers(0, classes, n)]
    return random.normal(size=(n, columns)), HardLabels(truth, random.uniform(0.5, 1, n))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("columns", [5, 200])
def test_it_is_the_regression_of_scikit_learn_also_where_columns_are_turned(form, columns):
    matrix, answers = clips(60, columns, 3)
    design = Design.of(form(matrix))
    assert (design.back is not None) == (columns > 60)
    regressions = Regressions(design.rows, answers, Kind.SINGLE, 2000)
    usual = LogisticRegression(C=2.0, max_iter=5000, tol=1e-8)
    usual.fit(matrix, answers.truth.argmax(1), sample_weight=answers.weight)
    scores = design.turned_back(regressions.fit(2.0)).scores(form(matrix))
    expected = usual.decision_function(matrix)
    np.testing.assert_allclose(
        scores - scores.mean(1, keepdims=True), expected - expected.mean(1, keepdims=True), atol=0.1
    )


def test_several_labels_are_one_regression_a_class():
    matrix, single = clips(80, 4, 3)
    regressions = Regressions(matrix, single, Kind.MULTI, 2000)
    scores = regressions.fit(1.0, balanced=True).scores(matrix)
    for place in range(3):
        usual = LogisticRegression(C=1.0, class_weight="balanced", max_iter=5000, tol=1e-8)
        usual.fit(matrix, single.truth[:, place], sample_weight=single.weight)
        np.testing.assert_allclose(scores[:, place], usual.decision_function(matrix), atol=0.1)


def test_classes_without_a_clip_come_last_and_one_alone_comes_first():
    matrix, answers = clips(40, 3, 2)
    wider = HardLabels(np.c_[answers.truth, np.zeros(40, dtype=bool)], answers.weight)
    assert (Regressions(matrix, wider, Kind.SINGLE, 300).fit(1.0).scores(matrix).argmax(1) < 2).all()
    alone = HardLabels(np.tile([False, True, False], (40, 1)), answers.weight)
    assert (Regressions(matrix, alone, Kind.SINGLE, 300).fit(1.0).scores(matrix).argmax(1) == 1).all()
    several = Regressions(matrix, alone, Kind.MULTI, 300).fit(1.0).scores(matrix)
    assert ((several > 0) == alone.truth).all()


def worded(n, seed, shares=(0.6, 0.35, 0.05)):
    """Give rows of 20 of 300 words, a third of them more likely in clips of each class."""
    random = np.random.default_rng(seed)
    answers = random.choice(3, n, p=shares)
    likely = np.where(np.arange(300) % 3 == np.arange(3)[:, None], 2.5, 1.0)
    rows = [random.choice(300, 20, p=likely[one] / likely[one].sum()) for one in answers]
    matrix = sparse.csr_matrix((np.ones(20 * n), np.ravel(rows), np.arange(0, 20 * n + 1, 20)), (n, 300))
    return matrix.astype(np.float32) / np.float32(20**0.5), HardLabels(np.eye(3, dtype=bool)[answers], np.ones(n))


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("kind", list(Kind))
def test_many_clips_are_passed_over_a_few_times_with_much_the_same_answers(monkeypatch, kind, balanced):
    (matrix, answers), (other, truth) = worded(3000, 0), worded(3000, 1)
    learn = Regressions(matrix, answers, kind, 300)
    exact = learn.fit(1.0, balanced=balanced).scores(other)
    monkeypatch.setattr(logistic, "MANY", 2000)
    passed = learn.fit(1.0, balanced=balanced).scores(other)
    assert (passed != exact).any(), "else this test could not fail"

    def found(scores):
        named = scores > 0 if kind is Kind.MULTI else np.eye(3, dtype=bool)[scores.argmax(1)]
        shares = [named[truth.truth[:, place], place].mean() for place in range(3)]
        return np.mean(shares) if balanced else (named == truth.truth).mean()

    assert found(passed) > found(exact) - (0.02 if balanced else 0.01)
    assert np.abs(passed).max() < 2 * np.abs(exact).max()


def test_a_matrix_in_single_precision_is_turned_without_loss():
    matrix, answers = clips(60, 200, 3)
    design = Design.of(sparse.csr_matrix(matrix, dtype=np.float32))
    scores = design.turned_back(Regressions(design.rows, answers, Kind.SINGLE, 2000).fit(2.0)).scores(matrix)
    whole = Design.of(sparse.csr_matrix(matrix))
    expected = whole.turned_back(Regressions(whole.rows, answers, Kind.SINGLE, 2000).fit(2.0)).scores(matrix)
    np.testing.assert_allclose(scores, expected, atol=1e-3)
