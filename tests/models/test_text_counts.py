import numpy as np
import pytest

from cu_pipeline.models import text_counts
from cu_pipeline.models.text_counts import TextCounts

TEXTS = ["cats are fun", "dogs are fun", "看我的猫", ""]


def test_texts_have_length_one_and_those_without_words_none():
    matrix = TextCounts.fit(TEXTS).matrix(TEXTS)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1))).ravel()
    assert lengths[:2] == pytest.approx([1, 1])
    assert lengths[3] == 0


def test_like_texts_are_near_each_other_in_any_script():
    counts = TextCounts.fit(["我的猫真可爱", "小猫在睡觉", "今天做饭", "学做饭", "the cat", "a cat naps"])
    cat, other, cooking = counts.matrix(["可爱的小猫", "我的猫", "一起做饭"]).toarray()
    assert cat @ other > 2 * (cat @ cooking)


def test_unknown_words_count_nothing_and_the_weights_give_the_same_again():
    counts = TextCounts.fit(TEXTS)
    assert counts.matrix(["жжж"]).nnz <= 1, "but for the space around words"
    again = TextCounts.load(counts.weights())
    assert (again.matrix(TEXTS) != counts.matrix(TEXTS)).nnz == 0


def test_rare_words_weigh_more():
    counts = TextCounts.fit(["a x", "b x", "c x", "d x"])
    row = counts.matrix(["a x"]).toarray().ravel()
    assert sorted(row[row > 0])[0] < sorted(row[row > 0])[-1]


def test_no_texts_give_no_columns():
    counts = TextCounts.fit([])
    assert counts.matrix(["words"]).shape == (1, 0)


def test_many_texts_are_counted_in_blocks_and_rare_columns_left_out(monkeypatch):
    texts = [f"{animal} {number}" for number in range(6) for animal in ("cats", "dogs", "看我的猫")]
    usual = TextCounts.fit(texts)
    monkeypatch.setattr(text_counts, "_BLOCK", 4)
    in_blocks, matrix = TextCounts.learn(texts)
    np.testing.assert_array_equal(in_blocks.columns, usual.columns)
    np.testing.assert_allclose(matrix.toarray(), usual.matrix(texts).toarray(), rtol=1e-6)
    monkeypatch.setattr(text_counts, "_LEAST_SHARE", 0.2)
    few, matrix = TextCounts.learn(texts, many=True)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.toarray(), few.matrix(texts).toarray(), rtol=1e-6)
    assert few.matrix(["cats"]).nnz == usual.matrix(["cats"]).nnz, "in six of 18 texts"
    assert few.matrix(["3"]).nnz < usual.matrix(["3"]).nnz, "in three"


@pytest.mark.parametrize("many", [True, False])
def test_texts_that_are_counted_in_blocks_give_the_matrix_of_all_at_once(many, monkeypatch):
    words = np.random.default_rng(0).choice(["cat", "dog", "naps", "eats", "看我", "fun"], (40, 3))
    texts = ["", *(" ".join(row) for row in words)]
    counts, whole = TextCounts.learn(texts, many=many)
    monkeypatch.setattr(text_counts, "_BLOCK", 7)
    again, found = TextCounts.learn(texts, many=many)
    assert found.dtype == whole.dtype
    np.testing.assert_array_equal(again.columns, counts.columns)
    np.testing.assert_array_equal(found.toarray(), whole.toarray())
