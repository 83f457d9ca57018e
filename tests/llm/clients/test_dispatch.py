import pytest
from pydantic import ValidationError

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.dispatch import BATCH, CLIENTS, ClientKind, ask_model
from cu_pipeline.llm.clients.options import ClientOptions, PackagedOptions
from cu_pipeline.llm.clients.protocol import Scored, ScoringQuestion, WritingQuestion

OPTIONS = ClientOptions()


class _Lengths:
    """Scores a continuation by its length."""

    identity = "lengths@1"
    concurrency = 1
    opened = closed = 0

    def __init__(self, options: ClientOptions) -> None:
        type(self).opened += 1

    def score(self, prompt: str, continuations: tuple[str, ...], *, shared: str = "") -> Scored:
        return Scored(tuple(-float(len(one)) for one in continuations), len(prompt))

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture(autouse=True)
def lengths(monkeypatch: pytest.MonkeyPatch) -> type[_Lengths]:
    monkeypatch.setitem(CLIENTS, "packaged", ClientKind(lambda _: _Lengths.identity, _Lengths))
    _Lengths.opened = _Lengths.closed = 0
    counters.reset()
    return _Lengths


def _questions(number: int) -> list[ScoringQuestion]:
    return [ScoringQuestion(f"prompt {place}", (" a", " bb")) for place in range(number)]


def test_each_new_question_is_asked_once_and_handed_on_in_batches(lengths: type[_Lengths]) -> None:
    batches = list(ask_model(_questions(BATCH + 3) * 2, {}, OPTIONS))
    assert [len(batch) for batch in batches] == [BATCH, 3]
    assert counters.counts()["llm_calls"] == BATCH + 3
    assert counters.counts()["llm_tokens"] == sum(call.answer.tokens for batch in batches for call in batch)
    assert (lengths.opened, lengths.closed) == (1, 1)


def test_number_and_price_of_the_questions_are_told_beforehand(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    known = {call.key: call.answer for batch in ask_model(_questions(2), {}, OPTIONS) for call in batch}
    caplog.clear()
    priced = ClientOptions(packaged=PackagedOptions(price_per_1000_prompt_tokens=4.0))
    list(ask_model(_questions(5), known, priced))
    told = "asking smollm2-135m-instruct 5 questions, 3 of them new: about 9 tokens, about $0.036"
    assert caplog.messages == [told]  # 8 characters of prompt and 5 of answers, four to a token


def test_questions_with_one_prompt_are_asked_side_by_side() -> None:
    yes_no = [ScoringQuestion(one.prompt, (" yes", " no")) for one in _questions(3)]
    (batch,) = ask_model([*_questions(3), *yes_no], {}, OPTIONS)
    prompts = {one.key("lengths@1"): one.prompt for one in [*_questions(3), *yes_no]}
    assert [prompts[call.key] for call in batch] == [f"prompt {place}" for place in (0, 0, 1, 1, 2, 2)]


def test_known_answers_cost_nothing_and_load_no_model(lengths: type[_Lengths]) -> None:
    known = {call.key: call.answer for batch in ask_model(_questions(5), {}, OPTIONS) for call in batch}
    counters.reset()
    assert list(ask_model(_questions(5), known, OPTIONS)) == []
    assert counters.counts() == {"llm_cache_hits": 5, "llm_calls": 0, "llm_tokens": 0, "llm_unanswered": 0}
    assert lengths.opened == 1


def test_the_model_is_closed_when_the_run_stops_half_way(lengths: type[_Lengths]) -> None:
    batches = ask_model(_questions(3 * BATCH), {}, OPTIONS)
    next(batches)
    batches.close()
    assert lengths.closed == 1


@pytest.mark.parametrize("change", [{"prompt": "q"}, {"continuations": (" a", " c")}, {"identity": "other"}])
def test_the_key_depends_on_everything_that_changes_the_answer(change: dict[str, object]) -> None:
    given = {"prompt": "p", "continuations": (" a", " b"), "identity": "model@1"}

    def key(prompt: str, continuations: tuple[str, ...], identity: str) -> str:
        return ScoringQuestion(prompt, continuations).key(identity)

    assert key(**given) != key(**{**given, **change})
    assert ScoringQuestion("p", (" a", " b"), "shared").key("model@1") == key(**given)


@pytest.mark.parametrize("change", [{"prompt": "q"}, {"max_tokens": 9}, {"choices": ("a",)}, {"choices": ("b", "a")}])
def test_the_key_of_what_a_model_writes_depends_on_everything_that_changes_it(change: dict[str, object]) -> None:
    given = {"prompt": "p", "max_tokens": 8, "choices": ("a", "b")}
    assert WritingQuestion(**given).key("model@1") != WritingQuestion(**{**given, **change}).key("model@1")
    assert WritingQuestion(**given, shared="p").key("model@1") == WritingQuestion(**given).key("model@1")


def test_an_unknown_client_or_model_is_named_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="'packaged'"):
        ClientOptions.model_validate({"name": "nowhere"})
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match=r"'gpt' is unknown; packaged models: .*smollm2"):
        list(ask_model([], {}, ClientOptions(packaged=PackagedOptions(model="gpt"))))
