import json
import math
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from cu_pipeline.core import counters
from cu_pipeline.core.errors import BadClipError, ConfigurationError, Reason
from cu_pipeline.llm.clients.call_log import Call, CallLog
from cu_pipeline.llm.clients.dispatch import ask_model, client_kind
from cu_pipeline.llm.clients.openai import OpenAIClient
from cu_pipeline.llm.clients.options import ClientOptions, OpenAIOptions
from cu_pipeline.llm.clients.protocol import Generated, Unanswered, UnansweredError, WritingQuestion

CLASSES = ("cooking", "pets", "football")
FAULTS = ("429", "500", "hang", "broken", "truncated", "rubbish", "schema", "no_class", "list", "drip")


def _questions(number: int) -> list[WritingQuestion]:
    return [WritingQuestion(f"clip {place} shows {CLASSES[place % 3]}", 8, CLASSES) for place in range(number)]


def _truth(number: int, options: ClientOptions) -> dict[str, str]:
    identity = client_kind(options).identity(options)
    return {one.key(identity): one.prompt.split()[-1] for one in _questions(number)}


def _asked(number: int, options: ClientOptions) -> list[Call]:
    counters.reset()
    return [call for batch in ask_model(_questions(number), {}, options) for call in batch]


def _texts(calls: list[Call]) -> dict[str, str]:
    return {call.key: call.answer.text for call in calls if isinstance(call.answer, Generated)}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_of_a_server_with_every_fault_no_label_is_lost_or_made_up_and_the_bill_is_its_own(
    fake_server, script: Callable[..., None], concurrency: int
) -> None:
    script(*FAULTS, "", "", again=True)
    options = fake_server.options(concurrency=concurrency, retries=3 * len(FAULTS), timeout_s=0.1)
    calls = _asked(12, options)
    assert _texts(calls) == _truth(12, options)
    tokens = sum(call.answer.tokens for call in calls)
    output = sum(call.answer.output_tokens for call in calls)
    assert {"prompt": tokens - output, "output": output} == dict(fake_server.billed)
    assert counters.counts()["llm_tokens"] == tokens
    assert counters.counts()["llm_unanswered"] == 0


def test_what_stays_unanswered_is_reported_and_its_cost_kept(fake_server, script, tmp_path: Path, caplog) -> None:
    script("no_class", again=True)
    options = fake_server.options(retries=1)
    log = CallLog(tmp_path / "calls.jsonl")
    log.append(_asked(3, options))
    known = log.read()
    assert [type(one) for one in known.values()] == [Unanswered] * 3
    assert sum(one.tokens for one in known.values()) == sum(fake_server.billed.values())
    assert counters.counts()["llm_unanswered"] == 3
    assert "left 3 questions without an answer: the model wrote 'banana'" in caplog.text

    script()
    log.append(call for batch in ask_model(_questions(3), known, options) for call in batch)
    assert {key: one.text for key, one in log.read().items()} == _truth(3, options)
    assert sum(one.tokens for one in log.read().values()) == sum(fake_server.billed.values())


def test_a_dead_server_ends_the_run(fake_server, script) -> None:
    script("500", again=True)
    assert _asked(50, fake_server.options(retries=2, concurrency=2)) == []
    assert counters.counts()["llm_unanswered"] == 50
    assert len(fake_server.requests) <= 4 * 3
    assert counters.counts()["llm_calls"] <= 4


def test_failures_that_do_not_follow_one_another_end_no_run(fake_server, script) -> None:
    script("500", "500", "", again=True)
    calls = _asked(12, fake_server.options(retries=1, give_up_after=2, concurrency=1))
    assert len(_texts(calls)) >= 6, "every third request is answered, so two failures in a row never follow"


def test_a_server_is_given_the_time_it_asks_for(fake_server, script) -> None:
    script("429")
    fake_server._reply_429 = lambda handler, *_: fake_server._send(handler, b"{}", 429, Retry_After="0.5")
    started = time.monotonic()
    assert len(_asked(2, fake_server.options(concurrency=1, timeout_s=5))) == 2
    assert time.monotonic() - started >= 0.5
    script("429")
    fake_server._reply_429 = lambda handler, *_: fake_server._send(handler, b"{}", 429, Retry_After="3600")
    assert len(_asked(2, fake_server.options(concurrency=1))) == 1


def test_a_wait_in_milliseconds_is_no_wait_in_seconds(fake_server, script) -> None:
    script("429")
    fake_server._reply_429 = lambda handler, *_: fake_server._send(handler, b"{}", 429, Retry_After_Ms="300")
    started = time.monotonic()
    assert len(_asked(1, fake_server.options(concurrency=1, timeout_s=5, longest_wait_s=20))) == 1
    assert 0.3 <= time.monotonic() - started < 20


def test_a_wrong_key_stops_the_run_without_showing_it(fake_server, script, monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    script("401", again=True)
    options = fake_server.options(api_key_env="MY_KEY")
    with pytest.raises(ConfigurationError, match=r"refused the key: .*environment variable MY_KEY") as caught:
        _asked(3, options)
    assert fake_server.headers[0]["authorization"] == "Bearer sk-very-secret"
    shown = str(caught.value) + repr(options) + client_kind(options).identity(options)
    assert "sk-very-secret" not in shown


def test_a_budget_is_never_exceeded_and_says_so(fake_server, caplog) -> None:
    budget = 2.0
    options = fake_server.options(budget_usd=budget, concurrency=4)
    calls = _asked(60, options)
    cost = (fake_server.billed["prompt"] + 10 * fake_server.billed["output"]) / 1000
    assert 0 < cost <= budget
    assert counters.counts()["llm_calls"] == len(calls) == len(fake_server.requests) < 60
    assert counters.counts()["llm_unanswered"] == 60 - len(calls)
    assert "budget of $2 is spent" in caplog.text


def test_calls_under_way_count_towards_the_budget(fake_server) -> None:
    fake_server.delay = 0.05
    options = fake_server.options(concurrency=8, timeout_s=5)
    one = WritingQuestion("clip 0 shows cooking", 8)
    client = OpenAIClient(options)
    most = client._most({"max_tokens": 8, "temperature": 0} | {"messages": [{"role": "user", "content": one.prompt}]})
    client.close()
    worst = options.openai.price(most.prompt_tokens + most.output_tokens, most.output_tokens)
    questions = [WritingQuestion(f"clip {place} shows cooking", 8) for place in range(40)]
    limited = fake_server.options(concurrency=8, timeout_s=5, budget_usd=2.5 * worst)
    assert [call for batch in ask_model(questions, {}, limited) for call in batch]
    assert fake_server.most_together <= 2, "three at their worst would cost more than the budget"


def test_replies_without_a_count_of_tokens_cost_the_most_that_they_can(fake_server, monkeypatch, caplog) -> None:
    def untold(handler, _body, prompt) -> None:
        reply = fake_server._completion(prompt, '{"answer": "pets"}')
        del reply["usage"]
        fake_server._send(handler, json.dumps(reply).encode())

    monkeypatch.setattr(fake_server, "_reply_well", untold)
    options = fake_server.options(concurrency=1, budget_usd=2.0)
    _asked(60, options)
    sent = len(fake_server.requests)
    assert 1 <= sent < 60
    assert "budget of $2 is spent" in caplog.text
    client = OpenAIClient(options)
    worst = client._most(fake_server.requests[0])
    client.close()
    assert sent <= 2.0 / options.openai.price(worst.prompt_tokens + worst.output_tokens, worst.output_tokens) + 1


def test_no_more_requests_are_under_way_than_allowed(fake_server) -> None:
    fake_server.delay = 0.02
    _asked(20, fake_server.options(concurrency=3, timeout_s=5))
    assert 2 <= fake_server.most_together <= 3


def test_no_minute_has_more_requests_than_allowed(fake_server, monkeypatch) -> None:
    monkeypatch.setattr("cu_pipeline.llm.clients.pacing._WINDOW_S", 0.5)
    started = time.monotonic()
    _asked(7, fake_server.options(requests_per_minute=3, timeout_s=5))
    assert time.monotonic() - started >= 1.0


def test_no_minute_has_more_tokens_than_allowed(fake_server, monkeypatch) -> None:
    monkeypatch.setattr("cu_pipeline.llm.clients.pacing._WINDOW_S", 0.5)
    started = time.monotonic()
    _asked(4, fake_server.options(tokens_per_minute=1, timeout_s=5, concurrency=1))
    assert time.monotonic() - started >= 1.5, "each request has more tokens than a minute allows, so it goes alone"


@dataclass(frozen=True)
class Shown:
    """Pictures of a clip, or of one that does not decode."""

    key: str

    def load(self) -> tuple[bytes, ...]:
        if self.key == "broken":
            raise BadClipError(Reason.TRUNCATED, "it ends early")
        return (b"\xff\xd8\xff one", b"\xff\xd8\xff two")


def test_images_are_sent_within_the_message_and_change_the_key(fake_server) -> None:
    options = fake_server.options(constrain="none")
    client = OpenAIClient(options)
    assert client.generate("it shows pets", max_tokens=8, images=[b"\xff\xd8\xff pixels"]).text == "pets"
    text, image = fake_server.requests[0]["messages"][0]["content"]
    assert text == {"type": "text", "text": "it shows pets"}
    assert image["image_url"]["url"].startswith("data:image/jpeg;base64,")
    client.close()
    one, other = Shown("a"), Shown("b")
    assert len({WritingQuestion("p", 8, pictures=shown).key("m") for shown in (None, one, other)}) == 3


def test_a_clip_that_does_not_decode_is_left_out_and_the_others_are_answered(fake_server) -> None:
    counters.reset()
    options = fake_server.options(constrain="none")
    questions = [WritingQuestion("it shows pets", 8, CLASSES, shown) for shown in (Shown("a"), Shown("broken"))]
    (calls,) = ask_model(questions, {}, options)
    assert [call.answer.text for call in calls] == ["pets"]
    _, *images = fake_server.requests[-1]["messages"][0]["content"]
    assert len(images) == 2
    assert counters.counts()["llm_unanswered"] == 1


def test_a_server_that_offers_no_scores_is_named_with_what_to_do_instead(fake_server, script) -> None:
    for way in ("echo", "grammar", "top_logprobs"):
        client = OpenAIClient(fake_server.options(score_by=way))
        for fault in ("", "400"):
            script(fault, again=True)
            with pytest.raises(ConfigurationError, match="choose another score_by"):
                client.score("topic: pets", [" pets", " cooking"])
        client.close()


def test_scores_by_echo_are_those_of_the_answers_tokens_alone(fake_server, script) -> None:
    script("echo", again=True)
    client = OpenAIClient(fake_server.options(score_by="echo"))
    scored = client.score("what is it? topic:", [" pets", " Science & Technology"])
    assert scored.logprobs == pytest.approx((-0.5, -0.8 - 0.2 - 1.1))
    assert scored.tokens == sum(fake_server.billed.values())
    client.close()


def test_scores_by_first_tokens_add_up_what_an_answer_begins_with(fake_server, script) -> None:
    script("top", again=True)
    client = OpenAIClient(fake_server.options(score_by="top_logprobs"))
    chances = [math.exp(one) for one in client.score("topic:", [" pets", " cooking", " gaming"]).logprobs]
    assert chances == pytest.approx([0.75, 0.125, 0.0625])
    with pytest.raises(UnansweredError, match="answers begin with the same token"):
        client.score("topic:", [" pets", " petrol"])
    client.close()


@pytest.mark.parametrize(
    "shown",
    [
        [" \ufffd", "\ufffd", "\ufffd", "\ufffd"],  # each token shows that it is broken
        ["", "", " 游", "戏"],  # the last token of a letter shows it
        [" 游", "戏"],
    ],
)
def test_scores_by_echo_are_told_from_the_prompts_where_tokens_split_letters(fake_server, monkeypatch, shown) -> None:
    def echo(handler, _body, prompts) -> None:
        ends = {" 游戏": [(piece, -1.0) for piece in shown], " pets": [(" pets", -0.5)]}
        choices = []
        for place, prompt in enumerate(prompts):
            end = next(one for one in ends if prompt.endswith(one))
            tokens = [("topic:", None), *ends[end]]
            logprobs = {"tokens": [one for one, _ in tokens], "token_logprobs": [value for _, value in tokens]}
            choices.append({"index": place, "text": prompt, "logprobs": logprobs})
        reply = {"choices": choices, "usage": fake_server._usage(str(prompts), "")}
        fake_server._send(handler, json.dumps(reply).encode())

    monkeypatch.setattr(fake_server, "_reply_well", echo)
    client = OpenAIClient(fake_server.options(score_by="echo"))
    assert client.score("topic:", [" 游戏", " pets"]).logprobs == pytest.approx([-len(shown), -0.5])
    client.close()


def test_scores_by_first_tokens_read_the_bytes_of_tokens_that_split_letters(fake_server, monkeypatch) -> None:
    def top(handler, _body, prompt) -> None:
        chances = {"游": 0.5, "美": 0.25}
        told = [
            {"token": "\ufffd", "bytes": list(letter.encode()[:2]), "logprob": math.log(chance)}
            for letter, chance in chances.items()
        ]
        choice = {"index": 0, "logprobs": {"content": [{"token": "\ufffd", "top_logprobs": told}]}}
        reply = {"choices": [choice], "usage": fake_server._usage(prompt, "x")}
        fake_server._send(handler, json.dumps(reply).encode())

    monkeypatch.setattr(fake_server, "_reply_well", top)
    client = OpenAIClient(fake_server.options(score_by="top_logprobs"))
    assert [math.exp(one) for one in client.score("topic:", [" 游戏", " 美食"]).logprobs] == pytest.approx([0.5, 0.25])
    client.close()


def test_a_refused_question_is_not_asked_again(fake_server, script) -> None:
    script("400", again=True)
    client = OpenAIClient(fake_server.options())
    with pytest.raises(UnansweredError, match=r"HTTP 400: .*unknown field"):
        client.generate("it shows pets", max_tokens=8)
    assert len(fake_server.requests) == 1
    client.close()


KILLED = """
    import sys
    from pathlib import Path
    from cu_pipeline.llm.clients.dispatch import ask_model
    from cu_pipeline.llm.clients.call_log import CallLog
    from cu_pipeline.llm.clients.options import ClientOptions
    from cu_pipeline.llm.clients.protocol import WritingQuestion

    options = ClientOptions.model_validate_json(sys.argv[1])
    log = CallLog(Path(sys.argv[2]))
    questions = [WritingQuestion(f"clip {place} shows pets", 8, ("pets", "cooking")) for place in range(500)]
    for batch in ask_model(questions, log.read(), options):
        log.append(batch)
"""


@pytest.mark.parametrize("concurrency", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_a_kill_half_way_costs_at_most_twenty_calls(fake_server, tmp_path: Path, concurrency: int) -> None:
    fake_server.delay = 0.002
    options = fake_server.options(concurrency=concurrency, timeout_s=20).model_dump_json()
    path = tmp_path / "calls.jsonl"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), options, str(path)]
    with subprocess.Popen(command) as first:
        while len(fake_server.requests) < 250:
            assert first.poll() is None
            time.sleep(0.01)
        first.kill()
    assert len(CallLog(path).read()) >= 250 - 20
    subprocess.run(command, check=True)
    assert len(fake_server.asked) == 500
    assert 500 <= len(fake_server.requests) <= 500 + 20
    before = len(fake_server.requests)
    subprocess.run(command, check=True)
    assert len(fake_server.requests) == before


def test_the_cache_is_shared_by_servers_only_where_a_version_is_stated() -> None:
    def identity(**openai: object) -> str:
        options = ClientOptions.model_validate({"name": "openai", "openai": {"model": "m", **openai}})
        return client_kind(options).identity(options)

    here, there = "http://here:1/v1", "http://there:1/v1"
    assert identity(base_url=here) != identity(base_url=there)
    assert identity(base_url=here, version="1") == identity(base_url=there, version="1")
    assert identity(base_url=here, version="1") != identity(base_url=here, version="2")
    assert identity(base_url=here) != identity(base_url=here, extra_body={"reasoning_effort": "low"})
    assert "here" not in identity(base_url=here)


@pytest.mark.parametrize(
    ("openai", "said"),
    [
        ({"base_url": "http://me:pw@host/v1"}, "api_key_env"),
        ({"base_url": "host:80"}, "no address of a server"),
        ({"base_url": ""}, "needs openai.base_url"),
        ({"budget_usd": 5}, "budget_usd needs price"),
        ({"threads": 2}, "threads"),
        ({"api_key": "sk-1"}, "api_key"),
    ],
)
def test_options_that_cannot_work_are_refused(openai: dict[str, object], said: str) -> None:
    given = {"base_url": "http://host/v1", "model": "m"} | openai
    with pytest.raises(ValidationError, match=said):
        ClientOptions.model_validate({"name": "openai", "openai": given})
    assert OpenAIOptions().base_url == ""


def test_without_its_package_the_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'cu-pipeline\[llm\]'"):
        OpenAIClient(ClientOptions(openai=OpenAIOptions(base_url="http://host/v1", model="m")))
