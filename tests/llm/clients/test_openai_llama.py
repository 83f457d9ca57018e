"""The client of OpenAI's API against a real server: llama.cpp with the packaged model, in a process of its own."""

import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.dispatch import ask_model, client_kind
from cu_pipeline.llm.clients.openai import OpenAIClient
from cu_pipeline.llm.clients.options import ClientOptions, PackagedOptions
from cu_pipeline.llm.clients.packaged import PackagedClient
from cu_pipeline.llm.clients.protocol import Scored, ScoringQuestion, WritingQuestion

CAPTIONS = ("how to bake bread", "what a goal!! #football", "kitten meets dog for the first time")
TOPICS = ("cooking", "football", "pets", "Science & Technology")
PROMPTS = [f'Caption: "{caption}"\nTopic:' for caption in CAPTIONS]


@pytest.fixture(scope="module")
def url(project_root: Path, project_environment: dict[str, str]) -> Iterator[str]:
    """Start the server as a user does."""
    command = [sys.executable, "-m", "cu_pipeline", "llm-server", "--port", "0"]
    with subprocess.Popen(
        command, cwd=project_root, env=project_environment, stdout=subprocess.PIPE, text=True
    ) as server:
        line = server.stdout.readline()
        assert "listens on http://127.0.0.1:" in line
        yield line.split()[-1]
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(30) == 0
        finally:
            server.kill()


@pytest.fixture(scope="module")
def packaged() -> Iterator[PackagedClient]:
    client = PackagedClient(ClientOptions())
    yield client
    client.close()


def _options(url: str, **openai: object) -> ClientOptions:
    given = {"base_url": url, "model": "smollm2", "score_by": "grammar", "concurrency": 2, **openai}
    return ClientOptions.model_validate({"name": "openai", "openai": given})


def test_scores_agree_with_those_of_the_model_in_this_process(url: str, packaged: PackagedClient) -> None:
    questions = [ScoringQuestion(prompt, tuple(f" {topic}" for topic in TOPICS)) for prompt in PROMPTS]
    options = _options(url)
    counters.reset()
    far = {call.key: call.answer for batch in ask_model(questions, {}, options) for call in batch}
    identity = client_kind(options).identity(options)
    for question in questions:
        here, there = question.ask(packaged), far[question.key(identity)]
        assert isinstance(there, Scored)
        assert there.logprobs == pytest.approx(here.logprobs, abs=0.05)
        assert max(zip(there.logprobs, TOPICS, strict=True))[1] == max(zip(here.logprobs, TOPICS, strict=True))[1]
    assert counters.counts()["llm_calls"] == len(PROMPTS)


@pytest.mark.parametrize(("form", "constrain"), [("completion", "grammar"), ("chat", "json_schema")])
def test_written_answers_agree_with_those_of_the_model_in_this_process(url: str, form: str, constrain: str) -> None:
    here = PackagedClient(ClientOptions(packaged=PackagedOptions(form=form)))
    there = OpenAIClient(_options(url, form=form, constrain=constrain))
    for question in (WritingQuestion(PROMPTS[1], 6), WritingQuestion(PROMPTS[2], 6, TOPICS)):
        assert question.ask(there) == question.ask(here)
    here.close()
    there.close()


def test_answers_whose_tokens_split_letters_are_scored_and_chosen_as_in_this_process(
    url: str, packaged: PackagedClient
) -> None:
    names = ("游戏", "美食", "übungen")
    scoring = ScoringQuestion(PROMPTS[0], tuple(f" {name}" for name in names))
    choosing = WritingQuestion(PROMPTS[0], 6, names)
    for form in ("completion", "chat"):
        there = OpenAIClient(_options(url, form=form, constrain="grammar"))
        assert scoring.ask(there).logprobs == pytest.approx(scoring.ask(packaged).logprobs, abs=0.05)
        found = choosing.ask(there)
        assert found.text in names
        if form == "completion":
            assert found.text == choosing.ask(packaged).text
        assert found.tokens > 0
        there.close()


def test_likeliest_first_tokens_are_read_as_the_server_tells_them(url: str) -> None:
    prompt = f"Topic of a video, in one word: {', '.join(TOPICS[:3])}. {PROMPTS[0]}"
    client = OpenAIClient(_options(url, score_by="top_logprobs"))
    found = client.score(prompt, [f" {topic}" for topic in TOPICS[:3]])
    client.close()
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 1, "temperature": 0}
    reply = httpx.post(
        f"{url}/chat/completions", json={**body, "logprobs": True, "top_logprobs": 20}, timeout=60
    ).json()
    top = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    for topic, logprob in zip(TOPICS, found.logprobs, strict=False):
        begun = [one for one in top if one["token"].strip() and topic.startswith(one["token"].strip().casefold())]
        chance = sum(math.exp(one["logprob"]) for one in begun) or math.exp(min(one["logprob"] for one in top))
        assert logprob == pytest.approx(math.log(chance), abs=0.02)
    assert found.tokens == reply["usage"]["total_tokens"]


def test_what_the_server_does_not_offer_is_said(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no log-probabilities of a prompt \(echo\): choose another"):
        OpenAIClient(_options(url, score_by="echo", backoff_s=0.01)).score(PROMPTS[0], [" cooking", " pets"])
