import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.options import OpenAIOptions
from cu_pipeline.llm.clients.pacing import Usage

_LARGEST_REPLY: Final = 32 * 2**20
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_REFUSED: Final = {401, 403}
_ABSENT: Final = {404, 405, 501}
_PASSING: Final = {408, 409, 425, 429}
UNBILLED: Final = {"tokenize", "apply-template"}
"""Endpoints of llama.cpp at which no model is asked."""


@dataclass(frozen=True)
class Reply:
    """What came back from one request.

    Attributes:
        body: the JSON object; None if there is none that can be read.
        usage: tokens as the server counted them, also where the rest cannot be read; None if it does not say.
        problem: why there is no body; empty if there is one.
        again: whether the same request may do better later.
        refused: whether the server says that it did no work.
        wait_s: how long the server asks to wait.
    """

    body: dict[str, Any] | None
    usage: Usage | None = None
    problem: str = ""
    again: bool = True
    refused: bool = False
    wait_s: float = 0.0


class Wire:
    """One request and its reply, whatever it looks like; no retries.

    Threads may share it.

    Args:
        options: address, key and patience.

    Raises:
        ConfigurationError: the package `openai` is not installed.
    """

    def __init__(self, options: OpenAIOptions) -> None:
        try:
            import openai
        except ImportError as error:
            raise ConfigurationError("client 'openai' needs its package: pip install 'cu-pipeline[llm]'") from error
        self._options = options
        self._key = os.environ.get(options.api_key_env, "")
        self._client: Any = openai.OpenAI(
            api_key=self._key or "none", base_url=options.base_url, timeout=options.timeout_s, max_retries=0
        )

    def close(self) -> None:
        """Drop all connections."""
        self._client.close()

    def post(self, endpoint: str, request: Mapping[str, Any]) -> Reply:
        """Send a request and read the reply.

        Args:
            endpoint: `chat`, `completions` or one of `UNBILLED`.
            request: the JSON object.

        Raises:
            ConfigurationError: the server refuses the key, or does not have the endpoint or the model.
        """
        import httpx2
        import openai

        deadline = time.monotonic() + self._options.timeout_s
        try:
            with self._open(endpoint, request) as response:
                return _read(_received(response, deadline))
        except openai.APIStatusError as error:
            return self._refusal(error)
        except (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError):
            return Reply(None, problem=f"no reply within {self._options.timeout_s:g} s")
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, RuntimeError) as error:
            return Reply(None, problem=self._clean(f"the connection failed: {error.__cause__ or error}"))

    def _open(self, endpoint: str, request: Mapping[str, Any]) -> Any:
        import httpx2

        if endpoint in UNBILLED:
            address = f"{self._options.base_url.removesuffix('/v1')}/{endpoint}"
            return nullcontext(self._client.post(address, body=request, cast_to=httpx2.Response))
        resource = self._client.chat.completions if endpoint == "chat" else self._client.completions
        named = {field: request[field] for field in ("messages", "prompt") if field in request}
        further = {
            field: value for field, value in {**request, **self._options.extra_body}.items() if value is not None
        }
        return resource.with_streaming_response.create(model=self._options.model, **named, extra_body=further)

    def _refusal(self, error: Any) -> Reply:
        status, where = error.status_code, f"{self._options.base_url} (model {self._options.model!r})"
        said = self._clean(str(error.message))[:300]
        if status in _REFUSED:
            raise ConfigurationError(
                f"{where} refused the key: {said}. Put a valid one into the environment variable "
                f"{self._options.api_key_env}"
            ) from None
        if status in _ABSENT:
            raise ConfigurationError(
                f"{where} does not have what was asked for: {said}. Check base_url and model"
            ) from None
        wait = _retry_after(error.response.headers)
        again = status in _PASSING or status >= 500
        return Reply(None, problem=f"HTTP {status}: {said}", again=again, refused=True, wait_s=wait)

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _received(response: Any, deadline: float) -> bytes:
    """Read a body piece by piece, so that one that drips is given up in time."""
    body = bytearray()
    try:
        for piece in response.iter_bytes():
            body += piece
            if time.monotonic() > deadline:
                raise TimeoutError
            if len(body) > _LARGEST_REPLY:
                break
    except Exception:
        if _usage_in(bytes(body)) is None:
            raise
    return bytes(body)


def _read(content: bytes) -> Reply:
    usage = _usage_in(content)
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return Reply(None, usage, f"the reply is broken JSON: {content[:60]!r}")
    if not isinstance(body, dict):
        return Reply(None, usage, f"the reply is no JSON object: {content[:60]!r}")
    return Reply(body, usage)


def _usage_in(content: bytes) -> Usage | None:
    """Find the server's count, also in a reply that is broken elsewhere."""
    for found in reversed(_USAGE.findall(content)):
        try:
            counts = json.loads(found)
            prompt, total = counts["prompt_tokens"], counts.get("total_tokens", 0)
            written = counts.get("completion_tokens", 0) or max(total - prompt, 0)
            if prompt >= 0 and written >= 0:
                return Usage(int(prompt), int(written))
        except (ValueError, KeyError, TypeError):
            continue
    return None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Read how many seconds a reply asks to wait, by `retry-after-ms` or `retry-after` (seconds or a date)."""
    try:
        if "retry-after-ms" in headers:
            return max(float(headers["retry-after-ms"]) / 1000, 0.0)
        value = headers.get("retry-after", "0")
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0
