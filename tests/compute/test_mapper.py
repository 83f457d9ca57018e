import os
import signal
import threading
import time
from functools import partial

import numpy as np
import psutil
import pytest

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.worker_pool import LOOK_AHEAD, LocalMapper
from cu_pipeline.core.errors import BadClipError, ConfigurationError, Reason

OPTIONS = {"timeout_s": 20.0, "memory_mb": 1024, "description": "test"}


def square(number):
    return number * number


def misbehave(item):
    match item:
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(60)
        case "memory":
            return bytes(2**31)
        case "refuse":
            raise BadClipError(Reason.NO_VIDEO, "only sound")
        case "bug":
            raise KeyError("x")
        case "unpicklable":
            return lambda: None
    return os.getpid()


def frames(item):
    return np.full((100, 100, 3), item, dtype=np.uint8)


def threads_asked_for(_):
    return os.environ["OMP_NUM_THREADS"]


def slow_first(item):
    time.sleep(0.5 if item == 0 else 0)
    return item


def map_isolated(function, items, *, workers=2, **options):
    return LocalMapper(workers).map(function, items, **OPTIONS | options)


def children():
    return [child for child in psutil.Process().children() if "cu_pipeline.compute.worker" in child.cmdline()]


def test_values_come_in_the_order_of_the_items():
    assert [outcome.get() for outcome in map_isolated(square, range(50))] == [n * n for n in range(50)]
    assert [outcome.get() for outcome in map_isolated(slow_first, [0, 1, 2])] == [0, 1, 2]


def test_items_may_come_from_an_iterator():
    outcomes = map_isolated(square, (number for number in [3, 4]))
    assert [outcome.get() for outcome in outcomes] == [9, 16]


def test_no_items_start_no_process(monkeypatch):
    monkeypatch.setattr("cu_pipeline.compute.worker_pool.WorkerProcess", None)
    assert list(map_isolated(square, [])) == []
    assert list(map_isolated(square, iter([]))) == []


@pytest.mark.parametrize(
    ("item", "reason", "detail"),
    [
        ("segfault", Reason.CRASHED, "SIGSEGV"),
        ("exit", Reason.CRASHED, "exit code 3"),
        ("hang", Reason.TIMEOUT, "1 s"),
        ("memory", Reason.CRASHED, "1024 MiB"),
        ("refuse", Reason.NO_VIDEO, "only sound"),
        ("bug", Reason.CRASHED, "KeyError"),
        ("unpicklable", Reason.CRASHED, "pickle"),
    ],
)
def test_a_bad_item_costs_that_item_alone(item, reason, detail):
    before, bad, after = map_isolated(misbehave, ["good", item, "good"], workers=1, timeout_s=1.0)
    assert before.error is None
    assert after.error is None
    assert bad.error.reason is reason
    assert detail in bad.error.detail
    with pytest.raises(BadClipError):
        bad.get()


def test_a_worker_that_ran_out_of_memory_is_replaced():
    before, _, after = map_isolated(misbehave, ["good", "memory", "good"], workers=1)
    assert before.value != after.value


def test_arrays_cross_whole():
    for number, outcome in enumerate(map_isolated(frames, range(20))):
        assert (outcome.get() == number).all()


def test_items_are_taken_only_a_few_ahead():
    taken = []
    outcomes = map_isolated(square, (taken.append(n) or n for n in range(1000)))
    next(outcomes)
    assert len(taken) <= LOOK_AHEAD * 2
    outcomes.close()


def test_workers_end_when_the_caller_stops_early():
    outcomes = map_isolated(misbehave, ["good", "hang", "hang", "hang"])
    next(outcomes)
    assert children()
    started = time.monotonic()
    outcomes.close()
    assert time.monotonic() - started < 5
    assert not children()


def test_workers_end_when_the_items_raise():
    def items():
        yield 1
        raise RuntimeError("feed broke")

    with pytest.raises(RuntimeError, match="feed broke"):
        list(map_isolated(square, items()))
    assert not children()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("isolated")]


def test_workers_use_one_thread():
    assert next(map_isolated(threads_asked_for, [0])).get() == "1"


def test_partials_are_accepted():
    assert next(map_isolated(partial(pow, 2), [5])).get() == 32


def test_a_function_that_cannot_be_sent_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="importable module"):
        list(map_isolated(lambda item: item, [1]))
    assert not children()


def test_an_outcome_without_error_gives_its_value():
    assert Outcome(value=3).get() == 3


@pytest.mark.parametrize("reason", list(Reason))
def test_an_outcome_is_settled_unless_the_machine_may_be_to_blame(reason):
    assert Outcome(value=3).is_settled
    passing = {Reason.TIMEOUT, Reason.CRASHED, Reason.MISSING}
    assert Outcome(error=BadClipError(reason, "")).is_settled == (reason not in passing)
