"""The prompt lab on a capability several of whose classes may hold, and what the label stage makes of its champion."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.labeling.options import LabelOptions, PeopleOptions
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.llm.clients.dispatch import CLIENTS, ClientKind
from cu_pipeline.llm.clients.protocol import Answer, Generated, Scored
from cu_pipeline.llm.lab.development import PromptsOptions
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import annotate
from cu_pipeline.llm.labels.recipes import resolve_recipes
from cu_pipeline.llm.methods.recipe import METHODS
from cu_pipeline.pipelines.label import nodes as label

WORDS = {"advert": "sale", "violence": "fight"}
LABELS = ("none", "advert", "none", "violence", "none", "advert|violence")
RESOLVED = ResolvedCapabilities({"safety": Capability(kind=Kind.MULTI, classes=tuple(WORDS))})
LLM = {"method": "score", "kinds": ["single", "multi"]}


class _Reader:
    """Knows each class by its word; says so in writing, but its scores take every class for too likely."""

    identity = "reader@1"
    concurrency = 1

    def __init__(self, _: object) -> None:
        """Need no options."""

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        found = _named(prompt)
        logits = [8.0 * (name in found) + 6.0 if (name := _class_in(one)) else 4.0 for one in continuations]
        total = math.log(sum(map(math.exp, logits)))
        return Scored(tuple(one - total for one in logits), len(prompt) // 4)

    def generate(self, prompt: str, *, choices: Sequence[str] = (), **_: object) -> Generated:
        found = ", ".join(_named(prompt)) or ("everyday life" if "fine" in prompt or choices else "hard to say")
        assert not choices or found in choices
        return Generated(found, len(prompt) // 4 + 6, 6)

    def close(self) -> None:
        """Hold nothing."""


def _named(prompt: str) -> list[str]:
    caption = prompt.rpartition("Caption:")[2]
    return [name for name, word in WORDS.items() if word in caption]


def _class_in(text: str) -> str:
    return next((name for name in WORDS if re.search(name, text, re.IGNORECASE)), "")


@pytest.fixture(scope="module", autouse=True)
def _reader() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CLIENTS, "packaged", ClientKind(lambda _: _Reader.identity, _Reader))
        yield


def _feed() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give captions with a word for each class that holds; a third of the harmless ones say that all is fine."""
    splits = ["train"] * 60 + ["validation"] * 36 + ["test"] * 30
    labels = [LABELS[row % 6] for row in range(len(splits))]
    words = [" ".join(word for name, word in WORDS.items() if name in label) for label in labels]
    clips = [
        {"clip_id": f"c{row:03}", "text": f"number {row}: {words[row]}{' fine' * (row % 6 == 0)}", "split": split}
        for row, split in enumerate(splits)
    ]
    people = [
        {"clip_id": f"c{row:03}", "capability": "safety", "annotator": "label", "kind": "human", "price": 0.0}
        | {"label": name, "draw": ""}
        for row, name in enumerate(labels)
    ]
    facts = {"path": "", "media_sha256": "", "metadata": "", "has_audio": False, "bytes": 0, "lang": ""}
    return table([one | facts for one in clips], CLIPS), table(people, ANNOTATIONS)


@pytest.fixture(scope="module")
def results(run_lab: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Give the results of a run with every method."""
    lab = {
        "capability": "safety",
        "prompts": ["bare"],
        "methods": list(METHODS),
        "clips": 36,
        "orders": 2,
        "draws": 100,
    }
    search = {"candidates": 4, "calls": 48, "instructions": ["Sort."]}
    return run_lab(
        *_feed(),
        RESOLVED,
        PromptsOptions.model_validate(lab | {"search": search}),
        LabelOptions.model_validate({"llm": LLM}),
    )


def _trial(results: dict[str, Any], method: str) -> dict[str, Any]:
    return next(row for row in results["trials"] if row["prompt"] == "bare" and row["method"] == method)


def test_every_method_labels_several_classes(results: dict[str, Any]) -> None:
    assert {row["method"] for row in results["trials"]} >= set(METHODS)
    assert _trial(results, "choose")["accuracy"] == 1.0
    assert _trial(results, "score_batch")["accuracy"] == 1.0
    assert _trial(results, "score_batch")["macro_f1"] == 1.0


def test_a_clip_counts_as_right_only_if_its_whole_label_is(results: dict[str, Any]) -> None:
    scored = _trial(results, "score")
    assert scored["accuracy"] == pytest.approx(1 / 6)
    assert 0.3 < scored["macro_f1"] < 0.8


def test_words_that_name_no_class_are_wrong_even_where_none_holds(results: dict[str, Any]) -> None:
    written = _trial(results, "generate")
    assert written["unparsed"] == pytest.approx(2 / 6)
    assert written["accuracy"] == pytest.approx(4 / 6)


def test_all_is_held_against_the_base_rate(results: dict[str, Any]) -> None:
    assert results["base_rate"]["label"] == "none"
    assert results["base_rate"]["accuracy"] == pytest.approx(0.5)
    assert results["base_rate"]["better"] == sum(row["p_base_rate"] <= 0.05 for row in results["trials"]) > 0
    assert _trial(results, "choose")["p_base_rate"] < 0.01
    assert _trial(results, "score")["p_base_rate"] == 1.0


def test_the_page_says_what_accuracy_means(results: dict[str, Any], tracked_root: Path) -> None:
    page = (tracked_root / "data/08_reporting/prompts.html").read_text()
    assert "Accuracy is the share of clips all of whose classes are right" in page
    assert "always saying &#39;none&#39; is right on 0.500 of the clips" in page


def test_the_search_tries_candidates_on_whole_labels(results: dict[str, Any]) -> None:
    assert [turn["candidates"] for turn in results["search"]] == [4, 2]
    assert any(row["prompt"] == "searched" for row in results["trials"])


def test_the_champion_labels_clips_as_it_was_measured(results: dict[str, Any], tracked_root: Path) -> None:
    from cu_pipeline.tracking import prompt_registry

    champion = prompt_registry.champion("safety")
    assert champion is not None
    assert champion.recipe.name == results["decision"]["chosen"]
    clips, people = _feed()
    known = people[people["clip_id"].isin(clips.loc[clips["split"] != "test", "clip_id"])]
    options = LlmOptions.model_validate(LLM | {"prompt": "champion"})
    nobody = table([], ANNOTATIONS)
    background = label.gather_llm_background(clips, known, nobody, RESOLVED, PeopleOptions(), options)
    recipes = resolve_recipes(background, {"bare": "{{ text }}"}, prompt_registry.champion, options)
    assert recipes == {"safety": champion.recipe}
    chosen, _ = label.choose_llm_clips(clips, known, nobody, RESOLVED, recipes, [], options)
    asked = [LabelRequest("0001", chosen["safety"].clips["clip_id"].iloc[0], Purpose.TEST)]
    fewer, _ = label.choose_llm_clips(clips.assign(feed="served"), known, nobody, RESOLVED, recipes, asked, options)
    assert fewer["safety"].clips["clip_id"].tolist() == [asked[0].clip_id], "the others are here for their rules"
    store = FeatureStore(tracked_root / "features")
    inquiries = label.plan_llm_questions(chosen, background, {}, store, options, FeatureOptions())
    answers: dict[str, Answer] = {
        call.key: call.answer for calls in label.ask_llm(inquiries, {}, ComputeOptions()) for call in calls
    }
    said = annotate(inquiries, answers, background).set_index("clip_id")
    truth = people.set_index("clip_id")["label"].loc[said.index]
    assert len(said) == 30
    assert (said["label"] == truth).all()
