"""Classes of any name that Unicode can write are told apart by every method and client."""

import unicodedata
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.packaged import PackagedClient
from cu_pipeline.llm.clients.protocol import Answer, Generated
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.interpret import interpret
from cu_pipeline.llm.methods.question_plan import Plan, plan
from cu_pipeline.llm.methods.recipe import METHODS, Example, Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs, as_data
from cu_pipeline.llm.prompts.task import Task, all_worded

BARE = '{% for one in examples %}{{ one.text }}: {{ one.answer }}\n{% endfor %}Caption: "{{ text }}"\nTopic:'
CASES = (
    ("游戏", "美食"),
    ("übungen", "rezepte"),
    ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👦"),
    ("art", "art deco"),
    ("</s>", "{{ text }}"),
    ("नमस्ते", "עברית"),
    ("a_b", "a b"),
    ("_", 'say "\\n"'),
)


def _names() -> st.SearchStrategy[str]:
    """Draw names as feeds have them after cleaning: NFC, no control characters, no blanks at the ends."""
    letters = st.characters(exclude_categories=["C", "Z"], exclude_characters="|")
    text = st.text(letters, min_size=1, max_size=100)
    return text.map(lambda name: unicodedata.normalize("NFC", name)[:100]).filter(
        lambda name: name.casefold() != "none"
    )


def _pairs() -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(_names(), _names()).filter(lambda pair: pair[0].casefold() != pair[1].casefold())


@pytest.fixture(scope="module")
def clients() -> Iterator[list[PackagedClient]]:
    opened = [
        PackagedClient(ClientOptions.model_validate({"packaged": {"form": form}})) for form in ("completion", "chat")
    ]
    yield opened
    for client in opened:
        client.close()


def _plan(names: tuple[str, ...], kind: Kind, method: str) -> Plan:
    capability = Capability(kind=kind, classes=names)
    task = Task("topic", capability, "everyday life", ("N/A",), 100)
    shown = tuple(Example(text=f"clip {place}", label=name) for place, name in enumerate(names))
    examples = shown if METHODS[method].examples == "fixed" else ()
    shots = 0 if METHODS[method].examples == "none" else len(shown)
    recipe = Recipe(prompt="bare", template=BARE, method=method, examples=examples, shots=shots)
    return plan(recipe, task, [ClipInputs("soup with bread")], Pool(shown, kind))


def _answers(asked: Plan, client: PackagedClient) -> dict[str, Answer]:
    return {question.key(client.identity): question.ask(client) for question in asked.everything}


def _check(names: tuple[str, ...], kind: Kind, method: str, client: PackagedClient) -> None:
    asked = _plan(names, kind, method)
    said = interpret(asked, _answers(asked, client), client.identity, np.full(len(names), 1 / len(names)))
    held = METHODS[method].answer != "generate"
    assert said.answered.tolist() == [True] or not held
    assert np.isfinite(said.probabilities).all()
    if kind is Kind.SINGLE:
        assert said.probabilities.sum(axis=1) == pytest.approx([1.0])
    if METHODS[method].answer == "choose" and kind is Kind.SINGLE:
        assert sorted(said.probabilities[0]) == [0.0] * (len(names) - 1) + [1.0]


@pytest.mark.slow
@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(names=_pairs(), kind=st.sampled_from(Kind), method=st.sampled_from(sorted(METHODS)))
@pytest.mark.nightly
def test_any_two_names_are_told_apart_by_the_packaged_model(
    clients: list[PackagedClient], names: tuple[str, str], kind: Kind, method: str
) -> None:
    for client in clients:
        _check(names, kind, method, client)


@pytest.mark.parametrize("names", CASES, ids=repr)
@pytest.mark.parametrize("method", ["choose", "score_content_free"])
def test_names_that_tokens_split_are_told_apart(
    clients: list[PackagedClient], names: tuple[str, str], method: str
) -> None:
    for client in clients:
        _check(names, Kind.SINGLE, method, client)


@given(names=_pairs(), form=st.sampled_from(["plain", "title", "hashtag", "phrase"]))
@example(names=("a_b", "a b"), form="plain")
@example(names=("ab", "a b"), form="hashtag")
def test_two_names_never_have_the_same_words(names: tuple[str, str], form: str) -> None:
    words = all_worded(names, form)
    assert all(words)
    assert words[0] != words[1]
    assert not any("<|" in one for one in words)


@given(names=_pairs(), kind=st.sampled_from(Kind))
@example(names=("bread, soup", "bread"), kind=Kind.MULTI)
def test_what_a_model_chose_or_wrote_is_the_class_of_that_name(names: tuple[str, str], kind: Kind) -> None:
    for method in ("choose", "generate"):
        asked = _plan(names, kind, method)
        for place, words in enumerate(asked.task.classes("plain")):
            reply: dict[str, Answer] = {asked.questions[0].key("m"): Generated(words, 1)}
            said = interpret(asked, reply, "m", np.array([0.5, 0.5]))
            assert said.answered.tolist() == [True]
            assert said.probabilities[0].argmax() == place


@pytest.mark.parametrize(("caption", "hidden"), [("这是游戏视频", "这是…视频"), ("playing 游戏 now", "playing … now")])
def test_a_caption_in_a_script_without_spaces_cannot_dictate_its_class(caption: str, hidden: str) -> None:
    assert as_data(caption, 100, ["游戏"]) == hidden


def test_there_is_room_to_write_the_longest_name() -> None:
    assert _plan(("游" * 100, "b"), Kind.SINGLE, "generate").task.longest >= 300
    assert _plan(("cooking", "b"), Kind.SINGLE, "generate").task.longest == 16
