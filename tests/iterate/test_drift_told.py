import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.iterate.drift_told import read_drift

FORMAT_3 = {
    "decision": "drift",
    "reason": None,
    "alpha": 0.05,
    "tests": [{"name": f"fact_{n}", "drifted": n < 4} for n in range(6)],
    "summary": "Drift: 4 of 6 tests",
    "inputs_sha256": "abc",
}


def test_a_report_of_the_version_before_has_an_unknown_cause() -> None:
    told = read_drift(FORMAT_3)
    assert (told.drifted, told.look, told.notices) == (True, "abc", ())
    (cause,) = told.causes
    assert (cause.kind, cause.trains) == ("unknown", True)
    assert cause.in_words == "drift without a named cause: fact_0, fact_1, fact_2 and 1 more"


def test_causes_look_notices_and_trusted_estimates_are_read() -> None:
    style = {"kind": "new_style", "in_words": "neon", "since": "2026-11-26T14:00:00+00:00", "share": 0.4}
    style |= {"request_ids": ["r1"], "tests": ["embedding_frames"], "trains": True}
    quality = {"topic": {"accuracy": 0.7, "trusted": True}, "safety": {"accuracy": 0.9, "trusted": False}}
    told = read_drift(FORMAT_3 | {"causes": [style], "look": {"id": "L"}, "notices": ["n"], "quality": quality})
    (cause,) = told.causes
    assert (cause.kind, cause.since.hour, cause.share, cause.request_ids) == ("new_style", 14, 0.4, ("r1",))
    assert (told.look, told.notices, told.accuracy) == ("L", ("n",), {"topic": 0.7})


def test_without_drift_there_is_no_cause() -> None:
    assert read_drift(FORMAT_3 | {"decision": "no_drift"}).causes == ()


@pytest.mark.parametrize("record", [{}, {"decision": "drift", "causes": [{}]}, {"decision": "drift", "causes": ["x"]}])
def test_what_is_no_report_is_told_with_the_remedy(record: dict) -> None:
    with pytest.raises(StoreError, match="kedro run --pipelines=monitor"):
        read_drift(record)
