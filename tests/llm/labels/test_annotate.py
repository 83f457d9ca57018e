import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.llm.clients.dispatch import client_kind
from cu_pipeline.llm.clients.options import ClientOptions, PackagedOptions
from cu_pipeline.llm.clients.protocol import Generated, Scored, Unanswered
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import annotate
from cu_pipeline.llm.methods.recipe import Recipe

TOPIC = Capability(classes=("a", "b"))
CLIENT = ClientOptions(packaged=PackagedOptions(price_per_1000_prompt_tokens=2.0, price_per_1000_output_tokens=8.0))
SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))

RECIPE = Recipe(prompt="test", template="{{ text }}:")


def test_annotations_carry_label_price_and_version(clips, votes, inquire, background) -> None:
    table = clips({"1": "seen", "2": "first", "3": "second"}).assign(split="train")
    people = votes(("1", "ann", "a"))
    options = LlmOptions(content_free=("N/A",), client=CLIENT)
    skewed = {"topic": replace(background({"topic": TOPIC}, options)["topic"], priors=np.array([2 / 3, 1 / 3]))}
    (inquiry,) = inquire(table, people, {"topic": TOPIC}, RECIPE, options)
    identity = client_kind(options.client).identity(options.client)
    answers = [Scored((-1.0, -1.0), 10), Scored((-0.5, -3.0), 20), Scored((-3.0, -0.5), 30)]
    known = {question.key(identity): one for question, one in zip(inquiry.questions, answers, strict=True)}

    result = annotate([inquiry], known, skewed)
    assert result["clip_id"].tolist() == ["2", "3"]
    assert result["label"].tolist() == ["a", "b"]
    assert set(result["kind"]) == {"llm"}
    odds = 2 * np.exp(2.5)
    assert json.loads(result["probabilities"][0])["a"] == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert result["price"].tolist() == pytest.approx([0.05, 0.07])
    assert result["price"].sum() == pytest.approx(sum(one.tokens for one in answers) * 2.0 / 1000)
    assert set(result["version"]) == {f"prompt@{RECIPE.version} {identity}"}


def test_a_clip_without_an_answer_has_no_annotation_and_the_others_bear_its_cost(
    clips, votes, inquire, background, caplog
) -> None:
    table = clips({"1": "first", "2": "second", "3": "third"}).assign(split="train")
    options = LlmOptions(content_free=("N/A", ""), client=CLIENT)
    (inquiry,) = inquire(table, votes(), {"topic": TOPIC}, RECIPE, options)
    identity = client_kind(options.client).identity(options.client)
    outcomes = [Scored((-1.0, -1.0), 10), Unanswered("no"), Scored((-1.0, -2.0), 30, 5), Unanswered("no", 20, 1)]
    known = {one.key(identity): outcome for one, outcome in zip(inquiry.questions, outcomes, strict=False)}

    result = annotate([inquiry], known, background({"topic": TOPIC}, options))
    assert result["clip_id"].tolist() == ["1"]
    assert result["price"].tolist() == pytest.approx([((60 - 6) * 2 + 6 * 8) / 1000])
    assert "topic: 2 of 3 clips got no usable answer" in caplog.text

    uncalibrated = {key: one for key, one in known.items() if one != outcomes[0]}
    assert annotate([inquiry], uncalibrated, background({"topic": TOPIC}, options)).empty


def test_nothing_asked_gives_an_empty_table() -> None:
    result = annotate([], {}, {})
    assert isinstance(result, pd.DataFrame)
    assert result.empty


def test_what_the_model_wrote_is_a_label_if_it_names_a_class(clips, votes, inquire, background, caplog) -> None:
    table = clips({"1": "first", "2": "second"}).assign(split="train")
    options = LlmOptions(client=CLIENT)
    recipe = RECIPE.model_copy(update={"method": "generate"})
    (inquiry,) = inquire(table, votes(), {"topic": TOPIC}, recipe, options)
    identity = client_kind(options.client).identity(options.client)
    written = [Generated("it is B, surely", 10, 4), Generated("no idea", 10, 2)]
    known = {one.key(identity): text for one, text in zip(inquiry.questions, written, strict=True)}

    result = annotate([inquiry], known, background({"topic": TOPIC}, options))
    assert result[["clip_id", "label", "probability"]].to_numpy().tolist() == [["1", "b", 1.0]]
    assert "topic: 1 of 2 clips got no usable answer of the language model (1 named no class)" in caplog.text


def test_several_classes_that_the_model_wrote_are_one_label(clips, votes, inquire, background) -> None:
    table = clips({"1": "first", "2": "second", "3": "third"}).assign(split="train")
    options, capabilities = LlmOptions(client=CLIENT), {"safety": SAFETY}
    recipe = RECIPE.model_copy(update={"method": "few_shot_generate"})
    (inquiry,) = inquire(table, votes(), capabilities, recipe, options)
    identity = client_kind(options.client).identity(options.client)
    written = [Generated("violence, advert", 10, 4), Generated("everyday life", 10, 2), Generated("hm", 10, 2)]
    known = {one.key(identity): text for one, text in zip(inquiry.questions, written, strict=True)}

    result = annotate([inquiry], known, background(capabilities, options))
    assert dict(zip(result["clip_id"], result["label"], strict=True)) == {"1": "advert|violence", "2": "none"}
