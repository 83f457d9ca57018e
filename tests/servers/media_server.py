"""A web server with files and faults, run as a process: `python media_server.py FOLDER`.

It prints its port, and writes every request that it answers into FOLDER/requests.txt.
"""

import hashlib
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[-1])
STATUS = {"/gone": 410, "/forbidden": 403, "/broken": 500}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        with (FOLDER / "requests.txt").open("a") as log:
            log.write(f"{path}\n")
        folder, _, name = path[1:].partition("/")
        if status := STATUS.get(path) or STATUS.get(f"/{folder}"):
            self.answer(status)
        elif not (file := FOLDER / name).is_file():
            self.answer(404)
        else:
            getattr(self, folder)(name, file.read_bytes())

    do_HEAD = do_GET  # noqa: N815

    def tagged(self, name, content):
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        if self.headers.get("If-None-Match") == tag:
            self.answer(304, ETag=tag)
        else:
            self.answer(200, content, ETag=tag)

    def silent(self, name, content):
        """Say nothing of the file but its bytes."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def flaky(self, name, content):
        """Fail twice, then answer."""
        asked = (FOLDER / "requests.txt").read_text().count(f"/flaky/{name}\n")
        self.answer(503) if asked <= 2 else self.answer(200, content)

    def busy(self, name, content):
        """Answer with the status that the file is called after, then with the file."""
        asked = (FOLDER / "requests.txt").read_text().count(f"/busy/{name}\n")
        self.answer(int(name.partition(".")[0])) if asked <= 1 else self.answer(200, content)

    def cut(self, name, content):
        """Promise more than there is."""
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def drip(self, name, content):
        """Send a byte now and then, for ever."""
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x")
            time.sleep(0.02)

    def endless(self, name, content):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(bytes(65536))

    def slow(self, name, content):
        time.sleep(0.1)
        self.answer(200, content)

    def moved(self, name, content):
        self.answer(302, Location=f"/tagged/{name}")

    def answer(self, status, content=b"", **headers):
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET" and status != 304:
            self.wfile.write(content)

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201
    server.serve_forever()
