"""The log in a real PostgreSQL server, which is also stopped and started while answers go on."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from tests.inference.prediction_log.made import KEPT_FOR_EVER, NOON, feedback, ids, opened, record, shadow
from tests.inference.prediction_log.test_crashes import kept_until, start
from tests.servers.postgres import PASSWORD, started

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.datasets.logs import PredictionLogPlace
from cu_pipeline.inference.prediction_log import Place, read_feedback, read_log, read_shadows
from cu_pipeline.inference.prediction_log.place import DEFAULT, default_place
from cu_pipeline.inference.prediction_log.purging import count_before, purge_before
from cu_pipeline.service.environment import Settings


@pytest.fixture(scope="module")
def server():
    with started() as made:
        yield made


@pytest.fixture
def place(server, tmp_path, monkeypatch):
    """Give the address of a database without tables; its spool is in a project of the test's own."""
    monkeypatch.setenv("LOG_PASSWORD", PASSWORD)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    address = f"postgresql+psycopg://postgres:{{LOG_PASSWORD}}@127.0.0.1:{server.port}/postgres"
    engine = sa.create_engine(Place.of(address).url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return address


def test_the_database_that_people_share_is_the_log_where_no_other_is_named(place, tmp_path, monkeypatch):
    dataset, made = PredictionLogPlace(filepath=str(tmp_path / "log")), Settings.model_construct
    assert (default_place(), dataset.load()) == (str(tmp_path / DEFAULT), str(tmp_path / "log"))
    monkeypatch.setenv("CU_PIPELINE_DATABASE_URL", place)
    assert {default_place(), dataset.load(), made().log_place} == {place}
    log = opened(default_place())
    assert log.append(record("shared"))
    assert log.flush()
    assert ids(read_log(dataset.load())) == ["shared"]
    assert made(prediction_log="elsewhere").log_place == "elsewhere"
    monkeypatch.setenv("CU_PIPELINE_PREDICTION_LOG", "elsewhere")
    assert default_place() == "elsewhere"


def test_all_kinds_are_kept_and_filtered_as_in_sqlite(place):
    awkward = {'a "b".$[0]': "v1", "it's \\ 🎬": "v1"}
    records = [
        record("old", NOON - timedelta(microseconds=1)),
        record(
            "wanted", versions=awkward, caption="a\0b", facts={"text": "\ud800", "n": 1.5}, roles={"topic": "champion"}
        ),
        record("other", versions=awkward | {"it's \\ 🎬": "v0"}),
        record("replay", versions=awkward, replay=True),
    ]
    log = opened(place, captions="keep")
    for one in (*records, shadow(), feedback("wanted")):
        assert log.append(one)
    assert log.flush()
    assert (log.knows("old"), log.knows("nobody")) == (True, False)
    found = read_log(place, versions=awkward, since=NOON)
    assert (found.records, found.other, found.replays, found.invalid) == ([records[1]], 2, 1, 0)
    assert read_log(place, replays=True).records == [records[0], records[2], records[3], records[1]]
    assert ([one.ms for one in read_shadows(place)], [one.label for one in read_feedback(place)]) == ([3.5], ["dogs"])
    assert (count_before(place, NOON), purge_before(place, NOON), len(read_log(place).records)) == (1, 1, 2)
    log.close()


def test_tables_that_are_dropped_are_made_again(place):
    log = opened(place)
    engine = sa.create_engine(Place.of(place).url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    assert log.append(record())
    assert (log.flush(), log.flush()) == (False, True)
    log.close()
    assert ids(read_log(place)) == ["r1"]


def test_processes_that_start_at_once_make_the_tables_once_and_share_them(place):
    with ThreadPoolExecutor(4) as pool:
        logs = list(pool.map(lambda _: opened(place), range(4)))
    for number, log in enumerate(logs):
        assert log.append(record(f"r{number}"))
        assert log.append(record("all"))
    for log in logs:
        log.close()
    assert ids(read_log(place)) == ["all", "r0", "r1", "r2", "r3"]


def test_a_server_that_goes_and_comes_back_misses_no_answer(place, server, caplog):
    log = opened(place, flush_s=0.02, retention_days=KEPT_FOR_EVER)
    names = [f"r{number}" for number in range(60)]
    for number, name in enumerate(names):
        if number == 20:
            server.stop()
        if number == 40:
            with pytest.raises(StoreError, match="try again later"):
                log.knows("nobody")
            with pytest.raises(StoreError, match="cannot be read") as raised:
                read_log(place)
            assert PASSWORD not in str(raised.value)
            server.start()
        assert log.append(record(name))
        assert log.knows(name)
        time.sleep(0.01)
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while not log.flush() and datetime.now(UTC) < deadline:
        time.sleep(0.1)
    log.close()
    assert list(Place.of(place).spool.glob("*.jsonl")) == []
    found = read_log(place)
    assert (sorted(ids(found)), found.invalid) == (sorted(names), 0)
    assert caplog.text.count("cannot be used") == 1
    assert caplog.text.count("took all that waited") == 1


def test_a_killed_writer_loses_nothing_while_the_server_is_away(place, server):
    writer = start(place, "a")
    first = {writer.stdout.readline().decode().strip() for _ in range(30)}
    server.stop()
    kept = first | kept_until(writer, 200)
    server.start()
    log = opened(place)
    assert log.flush()
    log.close()
    assert kept <= set(ids(read_log(place)))


def test_a_service_starts_without_its_server(place, server):
    server.stop()
    log = opened(place)
    assert log.append(record())
    log.close()
    server.start()
    assert ids(read_log(place)) == ["r1"]
