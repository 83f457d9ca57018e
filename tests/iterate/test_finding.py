from datetime import timedelta

from tests.drift_files import cause_told, drift_told, one_test

from cu_pipeline.iterate.finding import finding_of
from cu_pipeline.reports.drift_told import read_drift


def found(decision: str = "drift", **other):
    return finding_of(read_drift(drift_told(decision, **other)))


def test_a_drift_without_a_named_cause_has_an_unknown_one() -> None:
    tests = [one_test(f"fact_{number}", drifted=number < 4) for number in range(6)]
    (cause,) = found(causes=[], tests=tests).causes
    assert (cause.kind, cause.trains) == ("unknown", True)
    assert cause.in_words == "drift without a named cause: fact_0, fact_1, fact_2 and 1 more"


def test_causes_look_notices_and_trusted_estimates_are_read() -> None:
    estimate = drift_told("no_drift")["quality"]["topic"] | {"accuracy": 0.7}
    quality = {"topic": estimate | {"trusted": True}, "safety": estimate | {"trusted": False}}
    told = found(causes=[cause_told("new_style", share=0.4)], notices=["n"], quality=quality)
    (cause,) = told.causes
    assert (cause.kind, cause.since.hour, cause.share, cause.request_ids) == ("new_style", 14, 0.4, ("r1", "r2"))
    assert (told.alpha, told.window[1] - told.window[0]) == (0.0123, timedelta(days=6))
    assert (told.look, told.notices, told.accuracy) == ("look1", ("n",), {"topic": 0.7})


def test_without_drift_there_is_no_cause() -> None:
    assert found("no_drift", causes=[cause_told()]).causes == ()
