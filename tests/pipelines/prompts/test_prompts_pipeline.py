"""The prompt lab as a whole, on a model that reads words and prefers one class."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cu_pipeline.core import counters
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.llm.clients.dispatch import CLIENTS, ClientKind
from cu_pipeline.llm.clients.protocol import Generated, Scored
from cu_pipeline.llm.lab.development import PromptsOptions
from cu_pipeline.pipelines.prompts.nodes import choose_labelled_clips

BASE = Path(__file__).parents[3] / "conf" / "base"
CLASSES = ("cooking", "pets", "travel")
WORDS = dict(zip(CLASSES, ("soup", "kitten", "beach"), strict=True))
RESOLVED = ResolvedCapabilities({"topic": Capability(classes=tuple(CLASSES))})
OPTIONS: dict[str, Any] = {
    "prompts": ["bare"],
    "methods": ["generate", "score", "score_content_free", "score_batch", "few_shot_batch", "nearest_batch"],
    "clips": 36,
    "orders": 2,
    "draws": 100,
    "search": {"candidates": 4, "calls": 48, "instructions": ["Sort."]},
}


class _Biased:
    """Knows each class by its word, but finds cooking e^5 times as likely as it should; writes nothing of use."""

    identity = "biased@1"
    concurrency = 1

    def __init__(self, _: object) -> None:
        """Need no options."""

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        caption = prompt.rpartition("Caption:")[2]
        said = [next((name for name in CLASSES if name in one.lower()), "") for one in continuations]
        logits = [3.0 * (WORDS[name] in caption) + 5.0 * (name == "cooking") for name in said]
        total = math.log(sum(map(math.exp, logits)))
        return Scored(tuple(one - total for one in logits), len(prompt) // 4)

    def generate(self, prompt: str, **_: object) -> Generated:
        return Generated("well, that is hard to say", len(prompt) // 4 + 6, 6)

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture(scope="module", autouse=True)
def _biased() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CLIENTS, "packaged", ClientKind(lambda _: _Biased.identity, _Biased))
        yield


def _feed(validation: int = 36) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give captions in turn about each class, labelled by people; half train, and test clips that nobody may see."""
    splits = ["train"] * 60 + ["validation"] * validation + ["test"] * 30
    clips = [
        {"clip_id": f"c{row:03}", "text": f"number {row}: {WORDS[CLASSES[row % 3]]}", "split": split, "lang": ""}
        for row, split in enumerate(splits)
    ]
    labels = [
        {"clip_id": f"c{row:03}", "capability": "topic", "annotator": "label", "kind": "human", "price": 0.0}
        | {"label": CLASSES[row % 3], "draw": ""}
        for row in range(len(splits))
    ]
    facts = {"path": "", "media_sha256": "", "metadata": "", "has_audio": False, "bytes": 0}
    return table([one | facts for one in clips], CLIPS), table(labels, ANNOTATIONS)


@pytest.fixture(scope="module")
def run(run_lab: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Give a function that runs the lab with some options changed."""

    def run_with(*, validation: int = 36, **options: object) -> dict[str, Any]:
        lab = PromptsOptions.model_validate(OPTIONS | options)
        return run_lab(*_feed(validation), RESOLVED, lab, LabelOptions.model_validate({"llm": {"method": "score"}}))

    return run_with


@pytest.fixture(scope="module")
def results(run: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Give the results of a first run."""
    return run()


def _trial(results: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in results["trials"] if row["name"] == name)


def test_the_shipped_parameters_are_valid() -> None:
    shipped = yaml.safe_load((BASE / "parameters_prompts.yml").read_text())["prompts"]
    assert PromptsOptions.model_validate(shipped).methods


def test_calibration_undoes_the_models_preference(results: dict[str, Any]) -> None:
    present = _trial(results, "bare × score")
    assert present["present"]
    assert present["accuracy"] == pytest.approx(1 / 3)
    assert _trial(results, "bare × score_batch")["accuracy"] == 1.0
    assert _trial(results, "bare × score_content_free")["accuracy"] == 1.0


def test_words_that_name_no_class_are_failures_and_wrong(results: dict[str, Any]) -> None:
    written = _trial(results, "bare × generate")
    assert (written["accuracy"], written["unparsed"]) == (0.0, 1.0)


def test_every_result_has_an_interval_a_price_and_a_time(results: dict[str, Any]) -> None:
    for row in results["trials"]:
        low, high = row["ci95"]
        assert low <= row["accuracy"] <= high
        assert row["usd_per_1000_clips"] > 0
        assert row["seconds_per_clip"] >= 0
        assert len(row["orders"]) == (2 if row["method"] in {"few_shot_batch", "nearest_batch"} else 1)
        assert row["accuracy"] == pytest.approx(sum(row["orders"]) / len(row["orders"]))
    few, bare = _trial(results, "bare × few_shot_batch"), _trial(results, "bare × score_batch")
    assert few["usd_per_1000_clips"] > bare["usd_per_1000_clips"]


def test_the_winner_becomes_champion_with_its_bias(tracked_root: Path, results: dict[str, Any]) -> None:
    from cu_pipeline.tracking import prompt_registry

    champion = prompt_registry.champion("topic")
    assert champion is not None
    assert results["decision"]["decision"] == "promote"
    assert champion.recipe.name == results["decision"]["chosen"]
    assert champion.client == "biased@1"
    assert bool(champion.recipe.bias) == champion.recipe.method.endswith("batch")
    (change,) = (tracked_root / prompt_registry.LEDGER).read_text().splitlines()
    assert json.loads(change)["reason"] == results["decision"]["reason"]


def test_each_trial_is_a_nested_run_that_the_ui_can_compare(tracked_root: Path, results: dict[str, Any]) -> None:
    import mlflow

    runs = mlflow.search_runs(experiment_names=["cu-pipeline"], filter_string="params.method != ''")
    assert set(runs["tags.mlflow.runName"]) == {row["name"] for row in results["trials"]}
    assert runs[["metrics.accuracy", "metrics.usd_per_1000_clips", "metrics.ece"]].notna().all(axis=None)


def test_the_page_shows_every_trial(tracked_root: Path, results: dict[str, Any], foreign_loads: Any) -> None:
    page = (tracked_root / "data/08_reporting/prompts.html").read_text()
    assert all(row["method"] in page for row in results["trials"])
    assert foreign_loads(page) == []
    assert results["decision"]["chosen"] in page


def test_the_search_never_sees_a_clip_on_which_its_result_is_measured(results: dict[str, Any]) -> None:
    assert results["clips"] == {"measured": 36, "examples": 30, "searched": 30}
    assert [turn["candidates"] for turn in results["search"]] == [4, 2]
    assert any(row["prompt"] == "searched" for row in results["trials"])


def test_a_second_run_asks_nothing_and_keeps_the_champion(
    run: Callable[..., dict[str, Any]], results: dict[str, Any]
) -> None:
    again = run()
    assert counters.counts()["llm_calls"] == 0
    assert again["decision"]["decision"] == "keep"
    assert again["decision"]["present"] == results["decision"]["chosen"]
    timed = {row["name"]: row["seconds_per_clip"] for row in results["trials"]}
    assert {row["name"]: row["seconds_per_clip"] for row in again["trials"]}.items() <= timed.items()


MOOD = Capability(classes=("calm", "loud"))


def _chosen(capability: str | None, *, validation: int = 36) -> str:
    """Have the lab choose among a capability that nobody has labelled, and one that people have."""
    active = ResolvedCapabilities({"mood": MOOD} | RESOLVED.active)
    lab = PromptsOptions.model_validate(OPTIONS | {"capability": capability})
    label = LabelOptions()
    return choose_labelled_clips(*_feed(validation), active, lab, label.people, label.guarantee).name


@pytest.mark.parametrize("capability", [None, ""])
def test_the_lab_is_about_the_first_capability_with_enough_labelled_captions(
    capability: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert _chosen(capability) == "topic"
    assert "the lab is about topic; prompts.capability chooses another: mood" in caplog.text


def test_a_capability_that_is_named_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert _chosen("topic") == "topic"
    assert "the lab is about" not in caplog.text
    with pytest.raises(ConfigurationError, match=r"mood: people have labelled 0 validation clips .* at least 20"):
        _chosen("mood")


def test_without_enough_labelled_captions_each_capability_is_told() -> None:
    told = r"mood: people have labelled 0 validation clips; topic: people have labelled 9 .* at least 20 are needed"
    with pytest.raises(ConfigurationError, match=told):
        _chosen(None, validation=9)


def test_an_unknown_capability_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match=r"'prompts.capability' = 'taste': .* Allowed: mood, topic"):
        _chosen("taste")
