"""An address on this machine that alerts are posted to."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What came in, and what is to be answered.

    Attributes:
        answers: codes of the next answers; 200 when there are no more; 0: no answer in time.
    """

    answers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver in a thread."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.headers.append(dict(self.headers))
            code = receiver.answers.pop(0) if receiver.answers else 200
            if not code:
                time.sleep(0.4)
                return
            self.send_response(code)
            self.send_header("Content-Length", "0")
            if code == 302:
                self.send_header("Location", "/elsewhere")
            if code == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/of-secret-address"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
