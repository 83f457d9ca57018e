from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog, PredictionRecord, encode_embedding
from cu_pipeline.iterate.finding import Finding
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.likeness import LogComparison, WindowScan
from cu_pipeline.iterate.standing_audit import Likeness

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
CLIPS = 60


def record(number: int, day: int, shift: float, version: str) -> PredictionRecord:
    rng = np.random.default_rng([day, number])
    chance = float(rng.uniform(0.55, 0.95))
    label = "a" if number % 2 else "b"
    return PredictionRecord(
        time=MONDAY + timedelta(days=day, minutes=number),
        request_id=f"d{day}r{number}",
        labels={"topic": label},
        probabilities={"topic": {"a": chance, "b": 1 - chance}},
        versions={"topic": version},
        embedding=encode_embedding(rng.normal(size=8) + shift),
        parts={"captions@1a": 8},
        facts={"text_length": float(rng.integers(20, 60) + 40 * shift)},
        creator=f"creator {number % 30} of day {day}",
        text_sha256=f"d{day}t{number}",
    )


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Likeness]:
    """Have a service see clips on three days, those of the third in another style; compare a day with the first."""
    place = str(tmp_path_factory.mktemp("log") / "prediction_log")
    log = PredictionLog.open(place, LogOptions(retention_days=36_500), None)
    for day, shift in ((0, 0.0), (1, 0.0), (2, 1.5)):
        for number in range(CLIPS):
            assert log.append(record(number, day, shift, "v1" if day else "v0"))
    log.close()

    def compare(day: int, *, first: int = 0, until: int = CLIPS, options: DriftOptions | None = None) -> Likeness:
        by_log = LogComparison(place, {"topic": "v1"}, {"topic": Kind.SINGLE}, options or DriftOptions(), 17)
        told = Finding("drift", look="l", alpha=0.05, window=(moment(day, 0), moment(day, CLIPS)))
        start, end = (one.isoformat() for one in (moment(first, 0), moment(first, until)))
        line = IterationLine(4, end, end, "audit", "audited", "", window={"start": start, "end": end})
        return by_log.compare(told, line)

    return compare


def moment(day: int, number: int) -> datetime:
    return MONDAY + timedelta(days=day, minutes=number)


def test_clips_of_the_same_kind_are_alike_and_those_of_another_style_are_not(compared) -> None:
    same, other = compared(1), compared(2)
    assert (same.alike, other.alike) == (True, False)
    assert "do not tell 60 new clips from them" in same.told
    assert "they differ: " in other.told
    assert compared(2, first=1).alike is False


def test_clips_that_were_audited_themselves_are_alike_and_few_new_ones_prove_nothing(compared) -> None:
    assert compared(2, first=2).told == "the service has seen 0 clips since"
    few = compared(2, first=2, until=CLIPS - 10)
    assert (few.alike, few.told) == (True, "the service has seen 9 clips since")


def test_what_the_log_does_not_hold_any_more_is_not_like_anything(compared) -> None:
    gone = compared(1, first=-9)
    assert (gone.alike, gone.told) == (False, "the log holds 0 of its clips")


def test_a_part_of_a_log_is_read(compared, tmp_path) -> None:
    place = str(tmp_path / "log")
    log = PredictionLog.open(place, LogOptions(retention_days=36_500), None)
    for number in range(5):
        log.append(record(number, 0, 0.0, "v0" if number else "v1"))
    log.close()
    found = WindowScan(place, moment(0, 0), moment(0, 3), versions={"topic": "v0"})
    assert [one.request_id for one in found] == ["d0r1", "d0r2", "d0r3"]
