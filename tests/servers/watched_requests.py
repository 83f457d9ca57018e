"""A proxy before a server that lets something happen at a chosen request."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OF_A_CONNECTION = {"host", "connection", "accept-encoding", "transfer-encoding", "content-length", "content-encoding"}


@dataclass(frozen=True)
class Moment:
    """A request that is waited for.

    Attributes:
        method: of it.
        path: regular expression that its path has a match of.
        done: whether the server has done what is asked; it never says so.
    """

    method: str
    path: str
    done: bool


class Watched:
    """The server's address to use, and what happens next."""

    def __init__(self) -> None:
        self.url = ""
        self._next: tuple[Moment, Callable[[], None]] | None = None

    def at(self, moment: Moment, happens: Callable[[], None]) -> None:
        """Let something happen at the next such request, once; who asked gets no answer."""
        self._next = moment, happens

    def taken(self, method: str, path: str) -> tuple[Moment, Callable[[], None]] | None:
        """What happens at a request; it does not happen again."""
        found = self._next
        if found is None or found[0].method != method or not re.search(found[0].path, path):
            return None
        self._next = None
        return found


@contextmanager
def watched(url: str) -> Iterator[Watched]:
    """Stand before the server at an address while the block runs."""
    watching, host = Watched(), url.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = watching.taken(self.command, self.path)
            answer = None if found and not found[0].done else self._asked()
            if found is not None:
                found[1]()
                self.close_connection = True
            elif answer is not None:
                self._give(*answer)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that the base class calls

        def _asked(self) -> tuple[http.client.HTTPResponse, bytes]:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_CONNECTION}
            with closing(http.client.HTTPConnection(host, timeout=120)) as connection:
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                return answer, answer.read()

        def _give(self, answer: http.client.HTTPResponse, content: bytes) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_A_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        watching.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield watching
        finally:
            server.shutdown()
            thread.join()
