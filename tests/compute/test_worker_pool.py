import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cu_pipeline.compute.worker_pool import IsolatedWorker, WorkerPool
from cu_pipeline.core.errors import Reason

LIMITS = {"timeout_s": 20.0, "memory_mb": 1024}


def double(number):
    return os.getpid(), 2 * number


def wait(seconds):
    time.sleep(seconds)
    return os.getpid()


def _command(process):
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # another test's child, which just ended
        return []


def children():
    return [child for child in psutil.Process().children() if "cu_pipeline.compute.worker" in _command(child)]


@pytest.fixture
def pool():
    pool = WorkerPool(double, size=2, **LIMITS)
    yield pool
    pool.close()


def test_each_thread_gets_its_own_items_answer(pool):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: pool.run(number).get(), range(40)))
    assert [answer for _, answer in found] == [2 * number for number in range(40)]
    assert {process for process, _ in found} == {child.pid for child in children()}
    assert len(children()) == 2


def test_workers_take_turns(pool):
    assert len({pool.run(0).get()[0] for _ in range(2)}) == 2


def test_a_worker_that_died_while_idle_is_replaced(pool):
    for _ in range(2):
        pool.run(0)
    for child in children():
        child.kill()
        child.wait()
    assert [pool.run(number).get()[1] for number in (1, 2)] == [2, 4]


def test_closing_ends_what_is_under_way_and_refuses_the_rest():
    pool = WorkerPool(wait, size=1, **LIMITS)
    pool.run(0)
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(pool.run(60))) for _ in range(2)]
    for thread in threads:
        thread.start()
    pool.close()
    for thread in threads:
        thread.join(10)
    outcomes.append(pool.run(0))
    assert [outcome.error.reason for outcome in outcomes] == [Reason.CRASHED] * 3
    assert not children()


def test_an_interrupted_items_answer_is_not_taken_for_the_next_ones():
    worker = IsolatedWorker(double, **LIMITS)
    try:
        before, _ = worker.run(1).get()
        connection = worker._process.connection

        class Interrupted:
            def __getattr__(self, name):
                return getattr(connection, name)

            def poll(self, timeout):
                raise KeyboardInterrupt

        worker._process.connection = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            worker.run(2)
        after, answer = worker.run(3).get()
    finally:
        worker.close()
    assert (answer, after != before) == (6, True)


PARENT = """
import time
from concurrent.futures import ThreadPoolExecutor
from cu_pipeline.compute.worker_pool import WorkerPool
pool = WorkerPool(time.sleep, size=3, timeout_s=600.0, memory_mb=1024)
threads = ThreadPoolExecutor(3)
list(threads.map(pool.run, [0, 0, 0]))
busy = [threads.submit(pool.run, 600) for _ in range(2)]
while sum(future.running() for future in busy) < 2:
    time.sleep(0.01)
time.sleep(0.2)
print("ready", flush=True)
time.sleep(600)
"""


def test_workers_end_soon_after_their_parent_is_killed_busy_or_idle():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout.readline() == "ready\n"
            workers = psutil.Process(parent.pid).children()
            assert len(workers) == 3
        finally:
            parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=10)
    for process in alive:
        process.kill()
    assert not alive


def kill_once(marker):
    """As a machine does that runs out of memory, the first time."""
    marker = Path(marker)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def kill_always(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_item_whose_process_others_kill_is_tried_once_more(tmp_path):
    replaced = []
    pool = WorkerPool(kill_once, size=1, replaced=lambda: replaced.append(1), **LIMITS)
    try:
        first = pool.run(str(tmp_path / "marker")).get()
        assert pool.run(str(tmp_path / "marker")).get() == first
        assert replaced == [1]
    finally:
        pool.close()


def test_an_item_whose_process_is_killed_twice_is_refused():
    pool = WorkerPool(kill_always, size=1, **LIMITS)
    try:
        error = pool.run(0).error
        assert (error.reason, error.detail) == (Reason.CRASHED, "its worker process was killed twice")
    finally:
        pool.close()


def stubborn(seconds):
    """Foreign code that catches whatever Python raises, and then code that never comes back to Python."""
    try:
        time.sleep(seconds)
    except Exception:
        time.sleep(seconds)
    return os.getpid()


def deaf(seconds):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(seconds)


def test_an_item_past_its_time_ends_and_its_process_lives_on():
    pool = WorkerPool(stubborn, size=1, timeout_s=0.3, memory_mb=1024)
    try:
        process = pool.run(0).get()
        begun = time.monotonic()
        assert pool.run(30).error.reason is Reason.TIMEOUT
        assert time.monotonic() - begun < 2
        assert pool.run(0).get() == process
    finally:
        pool.close()


def test_a_process_that_does_not_hear_that_its_time_is_up_is_killed():
    pool = WorkerPool(deaf, size=1, timeout_s=0.3, memory_mb=1024)
    try:
        error = pool.run(30).error
        assert (error.reason, error.detail) == (Reason.TIMEOUT, "not done after 0.3 s")
        assert not children()
    finally:
        pool.close()


def niceness(_):
    return os.nice(0)


def test_workers_may_step_back_behind_other_processes():
    pool = WorkerPool(niceness, size=1, niceness=3, **LIMITS)
    try:
        assert pool.run(0).get() == min(os.nice(0) + 3, 19)
    finally:
        pool.close()
