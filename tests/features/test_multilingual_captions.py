import pickle

import numpy as np
import pytest

from cu_pipeline.features.multilingual_captions import MultilingualCaptionEncoder
from cu_pipeline.features.table import FeatureOptions, build_all

ODD = ["", " \n\t", "😀🔥👨‍👩‍👧", "before\0behind", "\0", "a\ud800b", "مرحبا بالعالم", "word " * 50_000]


@pytest.fixture(scope="module")
def captions() -> MultilingualCaptionEncoder:
    return MultilingualCaptionEncoder()


def encoded(encoder, texts):
    return encoder.encode([encoder.prepare(text) for text in texts])


def test_captions_of_like_meaning_lie_close_across_languages(captions):
    meant = ["a dog runs in the park", "how to cook rice", "the football match ended in a draw"]
    said = ["公园里有一只狗在跑", "cómo cocinar arroz", "फुटबॉल मैच बराबरी पर खत्म हुआ"]
    nearest = (encoded(captions, said) @ encoded(captions, meant).T).argmax(axis=1)
    assert nearest.tolist() == [0, 1, 2]


def test_any_text_has_a_vector_of_length_one(captions):
    vectors = encoded(captions, ODD)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert captions.encode([]).shape == (0, 384)


def test_a_zero_byte_does_not_end_a_caption(captions):
    both, first, _ = encoded(captions, ["before\0behind", "before", "behind"])
    assert np.abs(both - first).max() > 0.01


def test_a_caption_does_not_depend_on_its_neighbours_or_on_threads(captions, monkeypatch):
    texts = [f"{'слово ' * length}{length}" for length in range(6)]
    together = encoded(captions, texts)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    alone = np.concatenate([encoded(MultilingualCaptionEncoder(), [text]) for text in reversed(texts)])
    np.testing.assert_array_equal(together, alone[::-1])


def test_a_long_caption_is_cut():
    encoder = MultilingualCaptionEncoder(max_characters=8)
    first, second = encoded(encoder, ["12345678 and this", "12345678 or that"])
    np.testing.assert_array_equal(first, second)


def test_other_processes_get_no_network(captions):
    encoded(captions, ["loads it"])
    assert len(pickle.dumps(captions)) < 500
    assert pickle.loads(pickle.dumps(captions)).identity == captions.identity


def test_it_is_in_use_where_it_is_named():
    assert "captions_multilingual" not in build_all(FeatureOptions())
    chosen = build_all(FeatureOptions(captions_multilingual={"max_characters": 100}))
    assert chosen["captions_multilingual"].parameters == {"max_characters": 100}
