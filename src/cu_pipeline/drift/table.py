"""The drift tests by name, and what each compares with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from cu_pipeline.drift.clip_tests import DriftTest, Sides, Untested
from cu_pipeline.drift.input_tests import embedding_tests, fact_tests, language_tests, missing_tests
from cu_pipeline.drift.prediction_tests import prediction_tests
from cu_pipeline.drift.service_tests import MakesServiceTest, latency_test, rejected_test, reupload_test

Purpose: TypeAlias = Literal["inputs", "predictions"]
"""`inputs` are compared with the clips that models learned from, `predictions` with clips that they did not."""


@dataclass(frozen=True)
class DriftTests:
    """Tests that are made alike.

    Attributes:
        purpose: what they look at, which decides the clips that they compare with.
        make: makes the tests of two samples, or says what these lack for one.
    """

    purpose: Purpose
    make: Callable[[Sides], Iterator[DriftTest | Untested]]


DRIFT_TESTS: Final[dict[str, DriftTests]] = {
    "facts": DriftTests("inputs", fact_tests),
    "missing parts": DriftTests("inputs", missing_tests),
    "language": DriftTests("inputs", language_tests),
    "embeddings": DriftTests("inputs", embedding_tests),
    "predictions": DriftTests("predictions", prediction_tests),
}
"""Every group of drift tests by name. A new one is a new file and a line here."""

SERVICE_TESTS: Final[dict[str, MakesServiceTest]] = {
    "reuploads": reupload_test,
    "rejected": rejected_test,
    "latency": latency_test,
}
"""Tests of what the service does in its latest period, against the periods before. A new one is a line here."""


def drift_tests(purpose: Purpose, sides: Sides) -> Iterator[DriftTest | Untested]:
    """Make all tests of one purpose."""
    for group in DRIFT_TESTS.values():
        if group.purpose == purpose:
            yield from group.make(sides)
