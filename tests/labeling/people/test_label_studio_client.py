"""What a Label Studio server is asked when it fails: an HTTP server that does is put in its place."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from cu_pipeline.core.errors import StudioAwayError, StudioError
from cu_pipeline.labeling.people.label_studio import StudioServer

pytest.importorskip("label_studio_sdk", reason="needs the extra labelstudio")

PROJECTS = {"count": 1, "next": None, "previous": None, "results": [{"id": 5, "title": "cu-pipeline"}]}


@contextmanager
def answering(importing: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[str]]]:
    """Serve the list of projects, and let an import be dealt with; give the address, and what was posted."""
    posted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first = parse_qs(urlsplit(self.path).query).get("page", ["1"]) == ["1"]
            content = json.dumps(PROJECTS if first else PROJECTS | {"results": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            importing(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", posted
        finally:
            server.shutdown()
            thread.join()


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


@pytest.mark.parametrize("fails", [hang_up, lambda one: one.send_error(504), lambda one: one.send_error(500)])
def test_tasks_are_not_sent_again_to_a_server_that_may_have_taken_them(fails) -> None:
    with answering(fails) as (url, posted):
        server = StudioServer(url, "0123456789abcdef0123456789abcdef01234567", "cu-pipeline")
        with pytest.raises(StudioError):
            server.send([{"data": {"clip_id": "a", "text": "b"}}])
        assert len(posted) == 1


@pytest.mark.parametrize(
    ("fails", "away"),
    [(hang_up, True), (lambda one: one.send_error(503), True), (lambda one: one.send_error(401), False)],
)
def test_a_server_that_does_not_answer_is_told_from_one_that_refuses(fails, *, away: bool) -> None:
    with answering(fails) as (url, _):
        server = StudioServer(url, "0123456789abcdef0123456789abcdef01234567", "cu-pipeline")
        with pytest.raises(StudioError) as raised:
            server.send([{"data": {"clip_id": "a", "text": "b"}}])
        assert isinstance(raised.value, StudioAwayError) is away


def test_a_server_that_is_not_there_is_away() -> None:
    with answering(hang_up) as (url, _):
        server = StudioServer(url, "0123456789abcdef0123456789abcdef01234567", "cu-pipeline")
    with pytest.raises(StudioAwayError, match="Is it running"):
        server.tasks()
