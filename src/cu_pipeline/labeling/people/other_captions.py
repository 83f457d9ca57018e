"""What captions and labels of other clips tell of each clip: classifiers of captions, each learned from other folds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.lean import objects
from cu_pipeline.labeling.people.votes import Opinion

_TOKENS: Final = r"\w+|[^\w\s]"
"""A word or a sign: emoji tell much."""

MOST_LEARNED: Final = 10_000
"""Captions that each fold's classifiers learn from, at most; of all clips it is told what they say."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Captions:
    """Captions of n clips, which are read where they are.

    Attributes:
        texts: captions.
        place: (n,) which of them each clip has.
    """

    texts: "pd.Series[str]"
    place: Rows

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Captions":
        """Take n texts."""
        return cls(pd.Series(list(texts), dtype=object), np.arange(len(texts)))

    def __len__(self) -> int:
        return len(self.place)

    def take(self, rows: Rows) -> NDArray[np.object_]:
        """Read some captions, (rows,)."""
        return objects(self.texts.iloc[self.place[rows]])


@dataclass(frozen=True)
class Questions:
    """What people answered to each question about n clips: which class, or of each class whether it holds.

    Attributes:
        given: what people say.
        capability: with its classes.
    """

    given: Opinion
    capability: Capability

    @property
    def answers(self) -> int:
        """How many a question has."""
        return len(self.capability.classes) if self.capability.kind is Kind.SINGLE else 2

    def __iter__(self) -> Iterator[Rows]:
        """The places of the likeliest answers, (n,), question by question."""
        if self.capability.kind is Kind.SINGLE:
            yield self.given.shared.argmax(axis=1)[self.given.row]
            return
        for column in self.given.shared.T:
            yield (column > 0.5).astype(np.int64)[self.given.row]

    def prior(self) -> NDArray[np.float64]:
        """How common each class is by people's labels, (classes,)."""
        shares = [_shares(answers, self.answers) for answers in self]
        return shares[0] if self.capability.kind is Kind.SINGLE else np.array([share[1] for share in shares])


class OtherCaptions:
    """Predicts class probabilities of each clip from captions and labels of other clips alone.

    Each fold's clips are told by logistic regressions on TF-IDF that learned from the other folds'; of more than
    `MOST_LEARNED` of these, from a random sample. An answer that all others lack, or all but one, has its share. What
    is told of a clip does not depend on which clips are asked about together.

    Args:
        captions: of n clips.
        questions: with people's answers to each.
        folds: of the cross-validation.
        seed: of the division.
    """

    def __init__(self, captions: Captions, questions: Questions, folds: int, seed: int) -> None:
        self._captions, self._kind = captions, questions.capability.kind
        self._fold = (np.random.default_rng(seed).permutation(len(captions)) % folds).astype(np.int32)
        learned = dict(self._learned(seed))
        self._folds = {one: _Fold(captions.take(rows)) for one, rows in learned.items()}
        self._shares = []
        for answers in questions:
            self._shares.append(_shares(answers, questions.answers))
            for one, rows in learned.items():
                self._folds[one].learn(answers[rows])

    def of(self, rows: Rows) -> NDArray[np.float64]:
        """Predict the probabilities of some clips: (rows, classes)."""
        told = [np.tile(share, (len(rows), 1)) for share in self._shares]
        fold = self._fold[rows]
        for one in np.unique(fold).tolist():
            mine = np.flatnonzero(fold == one)
            found = self._folds[one].told(self._captions.take(rows[mine]), self._shares)
            for question, (present, probabilities) in found.items():
                told[question][np.ix_(mine, present)] = probabilities
        return told[0] if self._kind is Kind.SINGLE else np.column_stack([one[:, 1] for one in told])

    def _learned(self, seed: int) -> Iterator[tuple[int, Rows]]:
        """The clips that each fold's classifiers learn from."""
        for one in np.unique(self._fold).tolist():
            learned = np.flatnonzero(self._fold != one)
            if len(learned) > MOST_LEARNED:
                learned = np.random.default_rng([seed, one]).choice(learned, MOST_LEARNED, replace=False)
            yield one, learned


class _Fold:
    """Classifiers of one fold's clips, a question each.

    Args:
        texts: captions of other folds' clips.
    """

    def __init__(self, texts: NDArray[np.object_]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._models: list[tuple[NDArray[np.int64], Any] | None] = []
        self._says = any(str(text).strip() for text in texts)
        if self._says:
            self._words = TfidfVectorizer(token_pattern=_TOKENS, sublinear_tf=True, ngram_range=(1, 2))
            self._counted = self._words.fit_transform(texts)

    def learn(self, answers: Rows) -> None:
        """Learn the next question's answers, (texts,)."""
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        present = np.unique(answers)
        if len(present) < 2 or not self._says:
            self._models.append(None)
            return
        with threadpool_limits(1):  # threads only wait for one another here, the longer the busier the machine
            self._models.append((present, LogisticRegression(C=10, max_iter=1000).fit(self._counted, answers)))

    def told(
        self, texts: NDArray[np.object_], shares: Sequence[NDArray[np.float64]]
    ) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Predict: question -> the answers that were learned, and their probabilities, (texts, answers)."""
        learned = {number: one for number, one in enumerate(self._models) if one is not None}
        counted = self._words.transform(texts) if learned else None
        found = {}
        for number, (present, model) in learned.items():
            common = shares[number][present]
            found[number] = present, 0.02 * common + 0.98 * common.sum() * model.predict_proba(counted)
        return found


def _shares(answers: Rows, number: int) -> NDArray[np.float64]:
    """How common each of a number of answers is, (number,), by Laplace's rule."""
    shares: NDArray[np.float64] = (np.bincount(answers, minlength=number) + 1) / (len(answers) + number)
    return shares
