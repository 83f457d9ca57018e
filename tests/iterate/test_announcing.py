import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.iterate.alerts import AlertOptions
from cu_pipeline.iterate.announcing import announce_end, announce_waiting
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.state import Iteration, Status, StepName


@pytest.fixture
def posted(tmp_path, monkeypatch):
    """Give the alerts that came in, and options that send them there."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    found = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alert"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield found, AlertOptions(webhooks=[{"url": f"http://127.0.0.1:{server.server_port}/"}])
    server.shutdown()
    server.server_close()


def line(outcome: str) -> IterationLine:
    effect = {"topic": {"effect": 0.05, "serves": "new"}}
    moment = datetime.now(UTC).isoformat()
    return IterationLine(4, moment, moment, "retrain", outcome, "why", {"in_words": "neon"}, effect=effect)


def test_people_are_told_once_what_an_iteration_waits_for(posted) -> None:
    found, options = posted
    waiting = Iteration(4, "t", status=Status.WAITING, reason="9 clips wait", upcoming=StepName.WAIT_FOR_PEOPLE)
    for _ in range(3):
        announce_waiting(waiting, options)
    (alert,) = found
    assert (alert["event"], alert["title"]) == ("waiting", "Iteration 4 waits: 9 clips wait")


@pytest.mark.parametrize("outcome", ["promoted", "kept", "failed", "vetoed", "labelled"])
def test_people_are_told_how_it_ended(posted, outcome: str) -> None:
    found, options = posted
    announce_end(line(outcome), options)
    (alert,) = found
    assert alert["event"] == outcome
    assert alert["facts"]["gain of topic"] == "+5.0 points, serves new"


@pytest.mark.parametrize("outcome", ["nothing", "alerted"])
def test_where_nothing_was_done_the_drift_alone_is_told(posted, outcome: str) -> None:
    found, options = posted
    announce_end(line(outcome), options)
    assert found == []
