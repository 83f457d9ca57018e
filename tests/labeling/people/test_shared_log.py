"""People's work in a real PostgreSQL server that several clones of a project share."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres import PASSWORD, Postgres, started

from cu_pipeline.core.errors import StoreError
from cu_pipeline.labeling.people.work_log import PersonAnswer, answer_log

KILLED = """
import os, sys
from pathlib import Path
from cu_pipeline.labeling.people.work_log import PersonAnswer, answer_log
log = answer_log(Path(sys.argv[1]))
number = 0
while True:
    log.append([PersonAnswer(batch="b", clip_id=f"{number}-{half}", annotation=number, annotator="a", time="t")
                for half in (1, 2)])
    os.write(1, f"{number}\\n".encode())
    number += 1
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with started() as made:
        yield made


@pytest.fixture
def shared(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{server.port}/postgres"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS people_lines")
    monkeypatch.setenv("CU_PIPELINE_DATABASE_URL", address)
    monkeypatch.setenv("CU_PIPELINE_ACTOR", "anna@laptop")
    return address


def answer(clip: str) -> PersonAnswer:
    return PersonAnswer(batch="b", clip_id=clip, annotation=1, annotator="a", time="t", labels={"topic": "katze 🐈"})


def test_all_clones_see_one_log_and_each_file_is_a_copy_of_it(shared: str, tmp_path: Path) -> None:
    mine, theirs = (tmp_path / name / "people_annotations.jsonl" for name in ("mine", "theirs"))
    assert answer_log(mine).read() == []
    answer_log(mine).append([answer("1"), answer("2")])
    answer_log(theirs).append([answer("3")])
    answer_log(mine).append([])  # as a run does, for DVC
    assert answer_log(mine).read() == answer_log(theirs).read() == [answer("1"), answer("2"), answer("3")]
    assert mine.read_bytes() == theirs.read_bytes()
    with psycopg.connect(shared) as connection:
        assert connection.execute("SELECT DISTINCT log, actor FROM people_lines").fetchall() == [
            ("people_annotations.jsonl", "anna@laptop")
        ]


def test_what_was_answered_without_a_database_is_taken_over_once(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = (tmp_path / name / "people_annotations.jsonl" for name in ("mine", "theirs"))
    answer_log(theirs).append([answer("1")])
    with monkeypatch.context() as alone:
        alone.delenv("CU_PIPELINE_DATABASE_URL")
        answer_log(mine).append([answer("2")])
    for _ in range(2):
        assert answer_log(mine).read() == [answer("1"), answer("2")]
        answer_log(mine).append([])
    assert answer_log(theirs).read() == [answer("1"), answer("2")]


def test_nothing_is_lost_by_many_at_once(shared: str, tmp_path: Path) -> None:
    def work(name: str) -> None:
        log = answer_log(tmp_path / name / "people_annotations.jsonl")
        for number in range(5):
            log.append([answer(f"{name}-{number}")])

    names = [f"clone{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, names))
    found = [one.clip_id for one in answer_log(tmp_path / "x" / "people_annotations.jsonl").read()]
    assert sorted(found) == sorted(f"{name}-{number}" for name in names for number in range(5))
    for name in names:  # each one's own in order
        assert [one for one in found if one.startswith(name)] == [f"{name}-{number}" for number in range(5)]


def test_a_killed_writer_loses_nothing_it_was_told_is_kept_and_leaves_no_half(shared: str, tmp_path: Path) -> None:
    path = tmp_path / "people_annotations.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(10)]
    writer.kill()
    told += [int(line) for line in writer.stdout]
    writer.wait()
    writer.stdout.close()
    found = [one.clip_id for one in answer_log(path).read()]
    assert len(found) % 2 == 0
    assert found == [f"{number}-{half}" for number in range(len(found) // 2) for half in (1, 2)]
    assert len(found) // 2 >= len(told)


def test_a_database_that_is_away_is_told_without_its_password_and_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "people_annotations.jsonl"
    answer_log(path).append([answer("1")])
    before = path.read_bytes()
    monkeypatch.setenv("CU_PIPELINE_DATABASE_URL", f"postgresql://me:{PASSWORD}@127.0.0.1:1/none")
    with pytest.raises(StoreError, match=r"people_annotations.jsonl .*me:\*\*\*@") as raised:
        answer_log(path).append([answer("2")])
    assert PASSWORD not in str(raised.value)
    assert path.read_bytes() == before
