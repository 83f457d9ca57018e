import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any

import pytest

from cu_pipeline.llm.clients.options import ClientOptions


class FakeServer:
    """A server of OpenAI's API whose model says the last word of the prompt, and which fails on demand.

    Attributes:
        faults: one for each request in turn; "" is a good reply.
        asked: prompt -> times it was asked.
        billed: prompt and output tokens that the server counted.
    """

    def __init__(self) -> None:
        self.faults: Iterator[str] = cycle([""])
        self.delay = 0.0
        self.asked: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.billed = Counter({"prompt": 0, "output": 0})
        self.together = self.most_together = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.handle(self, body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def options(self, **openai: object) -> ClientOptions:
        """Give options of a client of this server, in a hurry."""
        quick = {"base_url": self.url, "model": "echo", "timeout_s": 0.4, "backoff_s": 0.001, "retries": 8}
        prices = {"price_per_1000_prompt_tokens": 1.0, "price_per_1000_output_tokens": 10.0}
        return ClientOptions.model_validate({"name": "openai", "openai": quick | prices | openai})

    def close(self) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()

    def handle(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        prompt = body["messages"][0]["content"] if "messages" in body else body.get("prompt", body.get("content"))
        with self.lock:
            fault = next(self.faults)
            self.requests.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.asked[str(prompt)] += 1
            self.together += 1
            self.most_together = max(self.together, self.most_together)
        try:
            time.sleep(self.delay)
            getattr(self, f"_reply_{fault or 'well'}")(handler, body, prompt)
        finally:
            with self.lock:
                self.together -= 1

    def _usage(self, prompt: str, text: str) -> dict[str, Any]:
        counts = {"prompt_tokens": len(str(prompt).split()) + 5, "completion_tokens": len(text.split()) + 1}
        with self.lock:
            self.billed.update(prompt=counts["prompt_tokens"], output=counts["completion_tokens"])
        return counts | {"total_tokens": sum(counts.values()), "prompt_tokens_details": {"cached_tokens": 0}}

    def _send(self, handler: BaseHTTPRequestHandler, content: bytes, status: int = 200, **headers: str) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(content))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    def _completion(self, prompt: str, text: str) -> dict[str, Any]:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "text": text, "finish_reason": "stop"}
        return {"usage": self._usage(prompt, text), "choices": [choice]}

    def _reply_well(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        first = prompt if isinstance(prompt, str) else prompt[0]
        words = (first if isinstance(first, str) else first["text"]).split()
        text = json.dumps({"answer": words[-1]}) if "response_format" in body else words[-1]
        self._send(handler, json.dumps(self._completion(prompt, text)).encode())

    def _reply_echo(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompts: list[str]) -> None:
        choices = []
        for place, prompt in enumerate(prompts):
            tokens = re.findall(r"^\S+|\s\S+", prompt)
            logprobs = {"tokens": tokens, "token_logprobs": [None, *(-len(one) / 10 for one in tokens[1:])]}
            choices.insert(0, {"index": place, "text": prompt, "logprobs": logprobs})
        self._send(handler, json.dumps({"choices": choices, "usage": self._usage(str(prompts), "")}).encode())

    def _reply_top(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        chances = {"pet": 0.5, "P": 0.25, "cook": 0.125, "The": 0.0625}
        top = [{"token": token, "logprob": math.log(chance)} for token, chance in chances.items()]
        choice = {"index": 0, "logprobs": {"content": [{"token": "pet", "top_logprobs": top}]}}
        self._send(handler, json.dumps({"choices": [choice], "usage": self._usage(prompt, "pet")}).encode())

    def _reply_429(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, b'{"error": {"message": "slow down"}}', 429, Retry_After="0.05")

    def _reply_500(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, b"oops", 500)

    def _reply_400(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, b'{"error": {"message": "unknown field"}}', 400)

    def _reply_401(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        said = {"error": {"message": f"bad key {handler.headers['Authorization'].split()[-1]}"}}
        self._send(handler, json.dumps(said).encode(), 401)

    def _reply_hang(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self.released.wait(5)
        handler.close_connection = True

    def _reply_drip(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        while not self.released.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    def _reply_broken(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, json.dumps(self._completion(prompt, "pets")).encode()[:-9])

    def _reply_truncated(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        content = json.dumps(self._completion(prompt, "pets")).encode()
        self._send(handler, content[:-9], Content_Length=str(len(content)))
        handler.close_connection = True

    def _reply_rubbish(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, b"<html>502 Bad Gateway</html>")

    def _reply_schema(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, json.dumps({"choices": [{"text": 5}], "usage": self._usage(prompt, "")}).encode())

    def _reply_no_class(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, json.dumps(self._completion(prompt, "banana")).encode())

    def _reply_list(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], prompt: str) -> None:
        self._send(handler, b"[1, 2]")


@pytest.fixture
def fake_server() -> Iterator[FakeServer]:
    """Give a server that does as it is told."""
    server = FakeServer()
    yield server
    server.close()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, fake_server: FakeServer) -> Callable[..., None]:
    """Give a function that sets the faults of the next requests; good replies follow, or the faults again."""

    def set_faults(*faults: str, again: bool = False) -> None:
        fake_server.faults = cycle(faults) if again else iter([*faults, *[""] * 10_000])

    return set_faults
