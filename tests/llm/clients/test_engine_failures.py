"""Whatever llama.cpp does, a run ends in words."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.options import ClientOptions, PackagedOptions
from cu_pipeline.llm.clients.packaged import PackagedClient, start_engine
from cu_pipeline.llm.clients.protocol import UnansweredError


@pytest.fixture(scope="module")
def opened() -> Iterator[PackagedClient]:
    client = PackagedClient(ClientOptions())
    yield client
    client.close()


def _words(**settings: Any) -> str:
    with pytest.raises(ConfigurationError, match=r"llama\.cpp does not start with the model 'smollm2") as caught:
        start_engine(PackagedOptions(context=settings.pop("context", 4096)), **settings)
    assert len(str(caught.value).splitlines()) <= 3
    return str(caught.value)


def test_a_context_beyond_all_memory_is_told() -> None:
    assert "context=1000000000000" in _words(context=10**12)


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port={port}" in _words(port=port)


def test_weights_that_are_none_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.gguf").write_bytes(b"GGUF and rubbish")
    monkeypatch.setattr("cu_pipeline.llm.clients.packaged.weights_path", lambda _: tmp_path / "weights.gguf")
    _words()


@pytest.mark.parametrize("reply", [{"error": {"code": 500, "message": "out\nof memory"}}, {"error": "x"}, {}])
def test_a_refused_question_stays_unanswered(opened: PackagedClient, monkeypatch, reply: dict[str, Any]) -> None:
    class _Refuses:
        def handle_completions(self, _request: object) -> dict[str, Any]:
            return reply

        handle_chat_completions = handle_completions

    monkeypatch.setattr(opened, "_server", _Refuses())
    with pytest.raises(UnansweredError, match=r"llama\.cpp refused a request: ") as caught:
        opened.score("a", [" b", " c"])
    assert len(str(caught.value).splitlines()) == 1


def test_a_question_to_an_engine_that_is_gone_stays_unanswered(opened: PackagedClient, monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(opened, "_address", f"127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(UnansweredError, match="Connection refused"):
            opened.score("a", [" b", " c"])


def test_text_that_no_json_can_hold_stays_unanswered(opened: PackagedClient) -> None:
    with pytest.raises(UnansweredError, match="parse error"):
        opened.score("a \ud800", [" b", " c"])
