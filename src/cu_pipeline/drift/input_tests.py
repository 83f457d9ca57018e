"""Tests of what the service is given: facts, missing parts, languages, embeddings."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.drift.clip_tests import DriftTest, Sides, Untested, class_test, number_test, share_test
from cu_pipeline.drift.novelty import novelty_test
from cu_pipeline.drift.principal import leading_components
from cu_pipeline.drift.samples import ClipSample, part_titles, shared_parts

COMPONENTS: Final = 16
"""Leading components of an embedding that are compared."""

_PARTS: Final = {"caption": "text_length", "video": "duration_s", "sound": ""}
"""What a clip may lack, and the fact that is absent or 0 where it does."""

_LEAST_LANGUAGE: Final = 0.02


def fact_tests(sides: Sides) -> Iterator[DriftTest]:
    """Tests of the clips' facts, each on its own."""
    for name in sides.facts:
        yield number_test(f"fact_{name}", "fact", sides.reference.fact(name), sides.current.fact(name))


def missing_tests(sides: Sides) -> Iterator[DriftTest | Untested]:
    """Tests of the shares of clips without a caption, a video or a sound, where both sides tell."""
    if silent := who_is_silent(sides, "has_screen_text"):
        yield Untested("screen_text", f"{silent} it, so that a text on the screen does not count as a caption")
    for part, fact in _PARTS.items():
        lacks = [_lacks(side, part, fact) for side in (sides.reference, sides.current)]
        if lacks[0] is None or lacks[1] is None:
            yield Untested(f"missing_{part}", f"{who_is_silent(sides, f'has_{part}')} whether clips have it")
        else:
            test = share_test(f"missing_{part}", "missing", lacks[0], lacks[1])
            yield DriftTest(test.name, test.kind, test.scores, f"without {part}: {test.in_words}")


def _lacks(side: ClipSample, part: str, fact: str) -> npt.NDArray[np.bool_] | None:
    """Which clips lack a part; a text on the screen is a caption too. None where the table does not tell."""
    if (told := side.optional(f"has_{part}")) is not None:
        lacks = _without(told)
    elif fact in side.table:
        lacks = np.asarray(np.nan_to_num(side.fact(fact)) <= 0)
    else:
        return None
    if part == "caption" and (screen := side.optional("has_screen_text")) is not None:
        lacks = lacks & _without(screen)
    return lacks


def _without(told: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    return np.array([pd.isna(value) or not value for value in told], dtype=np.bool_)


def who_is_silent(sides: Sides, column: str) -> str:
    """Which of two sides does not tell something of any clip; "" where both do."""
    told = [side.optional(column) is None for side in (sides.reference, sides.current)]
    names = [name for name, silent in zip(("the reference", "the service"), told, strict=True) if silent]
    return f"{' and '.join(names)} {'does' if len(names) == 1 else 'do'} not tell" if names else ""


def language_tests(sides: Sides) -> Iterator[DriftTest | Untested]:
    """A test of the languages of captions, rare ones together."""
    if silent := who_is_silent(sides, "language"):
        yield Untested("language", f"{silent} any")
        return
    told = [side.optional("language") for side in (sides.reference, sides.current)]
    before, now = (one.fillna("").astype(str) for one in told if one is not None)
    shares = pd.concat([before, now]).value_counts(normalize=True)
    common = [str(name) for name, share in shares.items() if share >= _LEAST_LANGUAGE and name != ""]
    present = [
        np.column_stack([*((one == name) for name in common), (~one.isin([*common, ""]))]) for one in (before, now)
    ]
    yield class_test("language", "language", [*common, "others"], present[0], present[1])


def embedding_tests(sides: Sides) -> Iterator[DriftTest]:
    """Tests of the parts of embeddings that both sides have: their means, and clips far from all of the reference."""
    reference, current = sides.reference, sides.current
    layout = reference.parts() or current.parts()
    parts, _ = shared_parts(reference, current)
    for part, shown in part_titles(parts).items():
        pool = np.concatenate([side.embedding(part, layout) for side in (reference, current)])
        components = leading_components(pool, COMPONENTS)
        words = f"distance of the means of {shown} features, in standard deviations"
        yield DriftTest(f"embedding_{shown}", "embedding", components, words, "quadratic", "distance")
        yield novelty_test(f"novelty_{shown}", pool, reference.units(), current.units())
