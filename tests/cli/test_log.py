"""`kedro log` as it is typed, on logs of the test's own."""

from datetime import timedelta

import pytest
from click.testing import CliRunner
from tests.inference.prediction_log.made import NOON, feedback, ids, record, write

from cu_pipeline.cli.log import log
from cu_pipeline.inference.prediction_log import read_log
from cu_pipeline.inference.prediction_log.place import VARIABLE


@pytest.fixture
def kedro_log(tmp_path, monkeypatch):
    """Give a function that runs the command on a log of four answers, and gives its exit code and what it shows."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path,
        record("r1", clip_id="a clip", replay=True),
        record("r2", NOON + timedelta(hours=1), roles={"topic": "challenger"}),
        record("r3", NOON + timedelta(days=1), labels={}, probabilities={}),
        record("r4", NOON + timedelta(days=2), labels={"topic": "none"}, probabilities={"topic": {"cats": 0.125}}),
        feedback("r2"),
    )

    def run(*arguments):
        done = CliRunner().invoke(log, arguments)
        return done.exit_code, done.output

    return run


def test_the_last_answers_are_shown_with_what_people_said(kedro_log):
    code, shown = kedro_log("show")
    assert code == 0, shown
    assert shown.splitlines() == [
        '2026-03-04 12:00:00 r1  clip "a clip"  replay  topic: cats 0.75 by v1',
        "2026-03-04 13:00:00 r2  topic: cats 0.75 by v1 of the challenger, people say dogs",
        "2026-03-05 12:00:00 r3  topic: does not apply",
        "2026-03-06 12:00:00 r4  topic: none 0.88 by v1",
        "answers shown: 4; sampled out: 0; damaged lines or rows: 0",
    ]
    assert kedro_log("show", "--last", "1")[1].startswith("2026-03-06")
    assert kedro_log("show", "--since", "2026-03-04T13:00", "--json")[1].count('"request_id"') == 3


def test_old_records_are_counted_first_and_removed_when_told_to(kedro_log, tmp_path):
    assert kedro_log("purge", "--before", "2026-03-05") == (0, "3 records would go. Remove them: add --yes\n")
    assert len(read_log(tmp_path, replays=True).records) == 4
    assert kedro_log("purge", "--before", "2026-03-05", "--yes") == (0, "removed 3 records\n")
    assert ids(read_log(tmp_path, replays=True)) == ["r3", "r4"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["purge"], "--before"),
        (["purge", "--before", "yesterday"], "does not match the formats"),
        (["show", "--last", "0"], "x>=1"),
        (["show", "--log", "mysql://a/b"], "give a folder"),
        (["show", "--log", "postgresql://127.0.0.1:1/db"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(kedro_log, arguments, words):
    code, shown = kedro_log(*arguments)
    assert code != 0
    assert words in shown
    assert "Traceback" not in shown
