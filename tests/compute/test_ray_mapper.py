"""The mapper on a real Ray cluster of two nodes on this machine; its processes, a node and its driver are killed."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from threading import Thread

import psutil
import pytest
from tests.compute.ray_toys import Lengths, TakesDown, featurize, lose_worker, texts
from tests.compute.test_mapper import misbehave, square
from tests.servers.ray_cluster import ONE_NODE, two_nodes

from cu_pipeline.compute.ray_actors import LOST
from cu_pipeline.compute.ray_cluster import joined
from cu_pipeline.compute.ray_mapper import RayMapper
from cu_pipeline.compute.worker_pool import LOOK_AHEAD, LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.core.errors import ConfigurationError, Reason
from cu_pipeline.features.encoding import CHUNK
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)

OPTIONS = {"timeout_s": 1.0, "memory_mb": 512, "description": "test"}


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as made:
        yield made


@pytest.fixture
def mapper(cluster):
    counters.reset()
    return RayMapper(cluster.address, 2)


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def encoded(folder):
    return Counter(line.split()[0] for line in (folder / "log").read_text().splitlines())


def test_outcomes_come_in_order_and_a_bad_item_costs_that_item_alone(mapper):
    items = ["good", "segfault", "hang", "good", "refuse", "bug", "good"]
    found = list(mapper.map(misbehave, items, **OPTIONS))
    reasons = [outcome.error and outcome.error.reason for outcome in found]
    assert reasons == [None, Reason.CRASHED, Reason.TIMEOUT, None, Reason.NO_VIDEO, Reason.CRASHED, None]
    assert [outcome.get() for outcome in mapper.map(partial(pow, 2), range(40), **OPTIONS)] == [
        2**number for number in range(40)
    ]
    assert LOST not in counters.counts()


def test_items_are_taken_only_a_few_ahead(mapper):
    taken = []
    outcomes = mapper.map(square, (taken.append(n) or n for n in range(1000)), **OPTIONS)
    assert next(outcomes).get() == 0
    assert len(taken) <= LOOK_AHEAD * 2
    outcomes.close()


def test_a_function_that_cannot_be_sent_is_a_configuration_error(mapper):
    with pytest.raises(ConfigurationError, match="importable module"):
        list(mapper.map(lambda item: item, [1], **OPTIONS))


def test_a_lost_worker_costs_another_try_and_an_item_that_loses_each_worker_is_the_cause(mapper, tmp_path):
    items = [(what, str(tmp_path)) for what in ("a", "once", "b", "always", "c")]
    found = list(mapper.map(lose_worker, items, **OPTIONS | {"timeout_s": 20.0}))
    assert [outcome.value for outcome in found] == ["a", "once", "b", None, "c"]
    assert found[3].error.reason is Reason.CRASHED
    assert "each of the 4 workers" in found[3].error.detail
    assert not found[3].is_settled
    assert counters.counts()[LOST] == 1 + 4


def test_features_are_the_same_bytes_as_by_the_local_engine(mapper, tmp_path, caplog):
    media = {}
    for number in range(CHUNK + 8):
        path = tmp_path / f"{number:03d}.txt"
        path.write_text({5: "broken", 9: "crash"}.get(number, "x" * (number + 1)))
        media[f"m{number:03d}"] = str(path)
    stores = {}
    for name, engine in {"local": LocalMapper(2), "ray": mapper}.items():
        counters.reset()
        extractors = [Lengths(str(tmp_path / f"{name}.log"), source=source) for source in ("media", "text")]
        store = FeatureStore(tmp_path / name)
        contents = {"media": media, "text": texts(70)}
        for chunk in extract_missing(extractors, contents, store, Limits(timeout_s=9.0, memory_mb=512), engine):
            store.append(chunk.identity, chunk.keys, chunk.values)
        told = [one.getMessage() for one in caplog.records if " left" not in one.getMessage()]  # of progress
        stores[name] = files_of(tmp_path / name), counters.counts(), told
        caplog.clear()
        assert store.missing(extractors[0].identity, list(media)) == ["m009"]
    for part, bytes_ in stores["local"][0].items():
        if part.suffix == ".parquet":
            assert stores["ray"][0][part] == bytes_
    assert stores["ray"][0].keys() == stores["local"][0].keys()
    assert stores["ray"][1:] == stores["local"][1:]


@pytest.mark.nightly
def test_what_takes_down_each_worker_that_encodes_it_ends_the_run_in_words(mapper, tmp_path):
    extractor = TakesDown(str(tmp_path / "log"))
    contents = {"media": {}, "text": texts(1)}
    chunks = extract_missing([extractor], contents, FeatureStore(tmp_path), Limits(memory_mb=512), mapper)
    with pytest.raises(ConfigurationError, match="took down 4 workers"):
        list(chunks)


def kill_worker(_, folder):
    """Kill -9 the process that encoded last."""
    os.kill(int((folder / "log").read_text().splitlines()[-1].split()[1]), signal.SIGKILL)


def kill_node(cluster, _):
    """Kill -9 the raylet of the second node."""
    (node,) = cluster.worker_nodes
    os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)


def once_some_are_encoded(folder, chunks, do):
    until = time.monotonic() + 120
    while len(list(folder.glob("store/**/part-*"))) < chunks and time.monotonic() < until:
        time.sleep(0.02)
    do()


def assert_whole(folder, extractor, store, count, in_flight):
    keys = texts(count)
    assert store.missing(extractor.identity, list(keys)) == []
    assert store.read(extractor.identity, list(keys))[:, 0].tolist() == [6.0] * count
    again = encoded(folder).total() - count
    assert 0 <= again <= in_flight * CHUNK
    assert len(list(folder.glob("store/**/part-*"))) == -(-count // CHUNK)
    return again


@pytest.fixture(params=[256, pytest.param(2000, marks=pytest.mark.nightly)])
def count(request):
    return request.param


def test_a_killed_driver_loses_what_was_in_flight_and_the_next_run_goes_on(cluster, mapper, tmp_path, count):
    tmp_path.joinpath("store").mkdir()
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.compute.ray_toys", str(tmp_path), str(count), "0.005", cluster.address],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    once_some_are_encoded(tmp_path, 3, driver.kill)
    driver.wait()
    stored = len(list(tmp_path.glob("store/**/part-*"))) * CHUNK
    assert 3 * CHUNK <= stored < count
    extractor, store = featurize(tmp_path, count, 0.0, mapper)
    assert_whole(tmp_path, extractor, store, count, in_flight=2)


@pytest.mark.parametrize("kill", [kill_worker, kill_node])
def test_a_lost_worker_or_node_loses_no_clip(cluster, mapper, tmp_path, count, kill):
    tmp_path.joinpath("store").mkdir()
    killer = Thread(target=once_some_are_encoded, args=[tmp_path, 3, partial(kill, cluster, tmp_path)])
    killer.start()
    extractor, store = featurize(tmp_path, count, 0.005, mapper)
    killer.join()
    assert_whole(tmp_path, extractor, store, count, in_flight=1)
    assert counters.counts()["lengths_text_encoded"] == count
    if kill is kill_node:
        cluster.remove_node(*cluster.worker_nodes, allow_graceful=False)
        cluster.add_node(**ONE_NODE)


@pytest.mark.nightly
def test_a_cluster_that_a_run_started_ends_with_it_also_when_it_is_killed(tmp_path):
    tmp_path.joinpath("store").mkdir()
    driver = psutil.Popen(
        [sys.executable, "-m", "tests.compute.ray_toys", str(tmp_path), "2000", "0.005", ""],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    once_some_are_encoded(tmp_path, 3, lambda: None)
    started = driver.children(recursive=True)
    assert any("raylet" in process.name() for process in started)
    driver.kill()
    _, alive = psutil.wait_procs(started, timeout=120)  # Ray's agents look for another raylet for a minute
    assert not alive


def test_ray_address_names_a_cluster_where_parameters_do_not(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert joined(None) is None
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.7:6379")
    assert (joined(None), joined("head:6379")) == ("auto", "head:6379")


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'cu-pipeline\[ray\]'"):
        list(RayMapper().map(square, [1], **OPTIONS))
    assert list(RayMapper().map(square, [], **OPTIONS)) == []


def test_a_machine_that_is_too_busy_to_start_ray_is_told_of(monkeypatch):
    ray = pytest.importorskip("ray")

    def late(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", late)
    with pytest.raises(ConfigurationError, match=r"does not start on this machine .The current node timed out"):
        list(RayMapper().map(square, [1], **OPTIONS))
