"""The surest mistakes, from answers whose probabilities are known."""

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.error_gallery import surest_errors
from cu_pipeline.evaluation.judged import Answered
from cu_pipeline.evaluation.metrics import ScoredClips

CLASSES = ("a", "b", "c")


def given(kind, truth, probabilities, decided):
    clips = pd.DataFrame({"clip_id": [f"c{row}" for row in range(len(truth))], "text": "words " * 200})
    arrays = (np.array(truth, dtype=bool), np.array(probabilities, dtype=float), np.array(decided, dtype=bool))
    return Answered(ScoredClips(kind, *arrays), clips)


def test_mistakes_stand_by_how_sure_they_were_and_what_was_left_unanswered_is_none():
    truth = [[1, 0, 0]] * 5
    said = [[0.2, 0.8, 0], [0.9, 0.1, 0], [0.02, 0.08, 0.9], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]]
    decided = [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1]]
    found = surest_errors(given(Kind.SINGLE, truth, said, decided), CLASSES, 24)
    assert [(one["clip_id"], one["decided"], one["truth"]) for one in found] == [
        ("c2", "c", "a"), ("c0", "b", "a"), ("c4", "c", "a"),
    ]  # fmt: skip
    assert [one["probability"] for one in found] == [0.9, 0.8, 0.8]
    assert all(len(one["text"]) == 500 for one in found)


def test_of_several_classes_the_surest_wrong_decision_counts():
    truth = [[1, 0, 0], [0, 0, 0], [1, 1, 0]]
    said = [[0.1, 0.6, 0.0], [0.7, 0.0, 0.0], [0.9, 0.8, 0.1]]
    decided = [[0, 1, 0], [1, 0, 0], [1, 1, 0]]
    found = surest_errors(given(Kind.MULTI, truth, said, decided), CLASSES, 24)
    assert [(one["clip_id"], one["truth"], one["decided"], one["probability"]) for one in found] == [
        ("c0", "a", "b", 0.9), ("c1", "none", "a", 0.7),
    ]  # fmt: skip


def test_no_more_are_kept_than_wanted():
    wrong = given(Kind.SINGLE, [[1, 0, 0]] * 5, [[0, 1, 0]] * 5, [[0, 1, 0]] * 5)
    assert [one["clip_id"] for one in surest_errors(wrong, CLASSES, 2)] == ["c0", "c1"]
    assert surest_errors(wrong, CLASSES, 0) == []
