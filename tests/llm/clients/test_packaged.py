import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.options import ClientOptions, PackagedOptions
from cu_pipeline.llm.clients.packaged import PackagedClient, PackagedPool
from cu_pipeline.llm.clients.protocol import WritingQuestion

PROMPT = 'Video caption: "how to bake bread"\nTopic:'
TOPICS = (" cooking", " football", " Science & Technology")


@pytest.fixture(scope="module")
def client() -> Iterator[PackagedClient]:
    opened = PackagedClient(ClientOptions())
    yield opened
    opened.close()


def _top(client: PackagedClient, prompt: str) -> list[tuple[int, float]]:
    """Give the ten likeliest next tokens by the engine's plain report."""
    answer = client._server.handle_completions({"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": 10})
    (token,) = answer["choices"][0]["logprobs"]["content"]
    return [(one["token"], one["logprob"]) for one in token["top_logprobs"]]


def test_single_tokens_score_as_in_the_engines_own_report(client: PackagedClient) -> None:
    top = _top(client, PROMPT)
    words = [(token, logprob) for token, logprob in top if token.strip().isalpha()]
    scored = client.score(PROMPT, [token for token, _ in words])
    assert len(words) >= 3
    assert scored.logprobs == pytest.approx([logprob for _, logprob in words], abs=1e-3)


def test_several_tokens_multiply_by_the_chain_rule(client: PackagedClient) -> None:
    (whole,) = client.score(PROMPT, [" Science & Technology"]).logprobs
    words = [" Science", " &", " Technology"]
    steps = [client.score(PROMPT + "".join(words[:place]), [word]).logprobs[0] for place, word in enumerate(words)]
    assert whole == pytest.approx(sum(steps), abs=1e-2)


def test_the_probabilities_of_different_answers_stay_below_one(client: PackagedClient) -> None:
    answers = [token for token, _ in _top(client, PROMPT)]
    total = sum(math.exp(logprob) for logprob in client.score(PROMPT, answers).logprobs)
    assert 0.3 < total <= 1.0


def test_answers_do_not_depend_on_what_was_asked_before(client: PackagedClient) -> None:
    shared = 'Video caption: "'
    long = " ".join(f"step {step}: knead the dough again" for step in range(12))
    captions = [f"{long} and bake it", f"{long}, then watch football", "GOAL!!! ⚽ #football", "", long]
    prompts = [f'{shared}{caption}"\nTopic:' for caption in captions]
    forward = [client.score(prompt, TOPICS, shared=shared) for prompt in prompts]
    client.score("Something else entirely:", [" yes", " no"], shared="Something")
    backward = [client.score(prompt, TOPICS, shared=shared) for prompt in reversed(prompts)]
    assert forward == backward[::-1]
    reread = [client.score(prompts[0], (answer,), shared=shared).logprobs[0] for answer in TOPICS]
    assert reread == pytest.approx(forward[0].logprobs, abs=1e-4)
    assert client.score(prompts[0], TOPICS, shared=shared) == forward[0]


def test_several_engines_answer_as_one(client: PackagedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cu_pipeline.llm.clients.packaged.usable_cores", lambda: 2)
    pool = PackagedPool(ClientOptions())
    prompts = [f'Video caption: "{caption}"\nTopic:' for caption in ("bake bread", "GOAL!!!", "", "knead the dough")]
    with ThreadPoolExecutor(pool.concurrency) as threads:
        together = list(threads.map(lambda prompt: pool.score(prompt, TOPICS), prompts))
    pool.close()
    assert pool.concurrency == 2
    assert together == [client.score(prompt, TOPICS) for prompt in prompts]


def test_answers_make_sense(client: PackagedClient) -> None:
    cooking, football, _ = client.score(PROMPT, TOPICS).logprobs
    assert cooking > football


def test_written_answers_are_repeatable_and_cut(client: PackagedClient) -> None:
    asked = [client.generate(PROMPT, max_tokens=number, shared="Video caption:") for number in (3, 8, 3)]
    assert asked[0] == asked[2]
    assert asked[1].text.startswith(asked[0].text)
    assert (asked[0].output_tokens, asked[1].output_tokens) == (3, 8)
    assert asked[0].tokens - 3 == asked[1].tokens - 8


def test_a_choice_is_the_likeliest_of_the_given_ones(client: PackagedClient) -> None:
    choices = [topic.strip() for topic in TOPICS] + ['a "quoted" one', "日本"]
    assert client.generate(PROMPT, max_tokens=1, choices=choices).text == "cooking"
    held = client.generate("7 + 7 =", max_tokens=1, choices=choices)
    assert held.text in choices


def test_in_the_chat_form_choices_hold_too() -> None:
    client = PackagedClient(ClientOptions(packaged=PackagedOptions(form="chat")))
    assert client.identity.endswith(" chat")
    question = WritingQuestion(PROMPT, max_tokens=1, choices=("cooking", "football"))
    first = question.ask(client)
    client.generate("Say hello.", max_tokens=5)
    assert question.ask(client) == first
    assert first.text in question.choices
    client.close()


def test_images_are_refused_with_the_remedy(client: PackagedClient) -> None:
    with pytest.raises(ConfigurationError, match="reads no images: use the client `openai`"):
        client.generate(PROMPT, max_tokens=1, images=[b"\xff\xd8\xff"])


def test_a_prompt_beyond_the_context_is_refused_with_the_remedy(client: PackagedClient) -> None:
    with pytest.raises(ConfigurationError, match=r"has \d+ tokens with its answer, the model's context 4096: shorten"):
        client.score("word " * 5000, [" yes"])


def test_the_engine_prints_nothing() -> None:
    code = (
        "from cu_pipeline.llm.clients.packaged import PackagedClient as C\n"
        "from cu_pipeline.llm.clients.options import ClientOptions as O\n"
        "c = C(O()); c.score('a', [' b', ' c']); c.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
