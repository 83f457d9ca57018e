"""Which labelled captions are shown to a language model, and in which order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import NONE, Kind, split_label
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import Split
from cu_pipeline.llm.methods.recipe import Example, Recipe
from cu_pipeline.llm.prompts.task import Task


@dataclass(frozen=True)
class Pool:
    """Labelled captions of the training split that examples are taken from.

    Attributes:
        examples: each caption once.
        kind: of the capability, which says what a label names.
    """

    examples: tuple[Example, ...] = ()
    kind: Kind = Kind.SINGLE

    def __len__(self) -> int:
        return len(self.examples)


def training_pool(captions: pd.DataFrame, task: Task) -> Pool:
    """Take examples from labelled captions of the training split, each caption once.

    Args:
        captions: rows of the table of clips, with `label` besides.
        task: says how long captions may be.
    """
    training = captions[captions["split"] == Split.TRAIN]
    labels = {task.data(text): label for text, label in zip(training["text"], training["label"], strict=True)}
    shown = tuple(Example(text=text, label=label) for text, label in labels.items())
    return Pool(shown, task.capability.kind)


def fixed_examples(pool: Pool, shots: int, salt: str = "") -> tuple[Example, ...]:
    """Draw examples, of each class about as many as of any other.

    An example with several classes counts for each of them; one with none counts for the class "none".

    Args:
        pool: to draw from.
        shots: how many.
        salt: another one gives another draw.
    """
    waiting = sorted(pool.examples, key=lambda one: _chance(salt, one.text))
    classes = {one: split_label(one.label, pool.kind) or (NONE,) for one in waiting}
    turn = {name: _chance(salt, name) for names in classes.values() for name in names}
    shown: Counter[str] = Counter()
    chosen: list[Example] = []
    while waiting and len(chosen) < shots:
        scarcest = min(waiting, key=lambda one: min((shown[name], turn[name]) for name in classes[one]))
        waiting.remove(scarcest)
        shown.update(classes[scarcest])
        chosen.append(scarcest)
    return tuple(chosen)


def nearest_examples(pool: Pool, captions: Sequence[str], shots: int) -> list[tuple[Example, ...]]:
    """Choose for each caption the examples whose captions are most alike, the most alike last.

    Likeness is the cosine of TF-IDF over letter groups; where the model reads them, the end of a prompt weighs
    most. Source: Liu et al., "What Makes Good In-Context Examples for GPT-3?" (DeeLIO 2022).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not pool.examples or not captions:
        return [()] * len(captions)
    words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32)
    known = words.fit_transform([example.text for example in pool.examples])
    return [
        tuple(pool.examples[place] for place in np.argsort(-row, kind="stable")[:shots][::-1])
        for caption in words.transform(captions)
        for row in (caption @ known.T).toarray()
    ]


def examples_for(recipe: Recipe, captions: Sequence[str], pool: Pool, order: int = 0) -> list[tuple[Example, ...]]:
    """Choose the examples that a recipe shows with each caption.

    Args:
        recipe: whose method says which examples there are.
        captions: n, which went through `as_data`.
        pool: where nearest examples come from.
        order: 0: as the recipe has them; another number: shuffled, differently for each number.

    Returns:
        n groups of examples.
    """
    if recipe.how.examples == "nearest":
        chosen = zip(captions, nearest_examples(pool, captions, recipe.shots), strict=True)
        return [_shuffled(examples, f"{order} {caption}", order) for caption, examples in chosen]
    examples = recipe.examples if recipe.how.examples == "fixed" else ()
    return [_shuffled(examples, str(order), order)] * len(captions)


def _shuffled(examples: tuple[Example, ...], salt: str, order: int) -> tuple[Example, ...]:
    if not order:
        return examples
    return tuple(sorted(examples, key=lambda example: _chance(salt, example.text)))


def _chance(salt: str, text: str) -> float:
    return unit_interval(f"{salt}\n{text}")
