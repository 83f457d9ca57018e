"""Two feeds, a capability of each, and a third one from configured classes: nobody is asked outside a scope."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.llm.clients.dispatch import CLIENTS, ClientKind
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.protocol import Scored
from cu_pipeline.pipelines.train.nodes import gather_training_data

Run = Callable[..., tuple[Any, dict[str, int]]]

CAPABILITIES = {
    "topic": {"classes": ["cats", "cars"], "scope": {"feeds": ["videos.csv"]}},
    "hate": {"classes": ["hate", "fine"], "scope": {"feeds": ["texts.csv"]}},
    "mood": {"classes": ["happy", "sad"], "scope": {"modalities": ["video", "text"]}},
}
RULE = {"name": "everywhere", "kind": "regex", "capability": "topic", "label": "cats", "pattern": ".*"}


class _First:
    """Stands for a model that finds the first class likeliest."""

    concurrency = 1

    def __init__(self, options: ClientOptions) -> None:
        self.identity = options.chosen.model

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        return Scored(tuple(-float(place) for place in range(len(continuations))), 10)

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture
def feed() -> dict[str, pd.DataFrame]:
    """Give 20 videos, every second one without a caption, and 20 texts; labels of both, some in the wrong feed."""
    clips = [
        {
            "clip_id": f"{kind}{n:02}",
            "feed": feed,
            "split": "train" if n < 14 else "test",
            "metadata": "{}",
            "lang": "en",
        }
        | {"media_sha256": f"m{n}" if kind == "v" else "", "path": f"{n}.mp4" if kind == "v" else "", "codec": "h264"}
        | {"text": f"{kind} caption {n}" if kind == "t" or n % 2 else "", "has_audio": False, "bytes": 1}
        for kind, feed in (("v", "videos.csv"), ("t", "texts.csv"))
        for n in range(20)
    ]
    for one in clips:
        one["text_sha256"] = str(one["text"])
    said = [("v01", "topic", "cats"), ("v03", "topic", "cars"), ("t00", "hate", "hate"), ("t01", "hate", "fine")]
    said += [("t02", "topic", "cats"), ("v05", "hate", "fine"), ("v07", "topic", "not_applicable")]
    rows = [
        {"clip_id": clip, "capability": name, "label": label, "annotator": "label", "kind": "human"}
        | {"price": 0.0, "probabilities": "", "version": "", "draw": ""}
        for clip, name, label in said
    ]
    return {"clips": table(clips, CLIPS), "people_opinions": table(rows, ANNOTATIONS)}


@pytest.fixture
def found(feed: dict[str, pd.DataFrame], run_label: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(CLIENTS, "packaged", ClientKind(lambda options: options.chosen.model, _First))
    catalog, _ = run_label(feed, CAPABILITIES, rules=[RULE], errors={"most": 0}, guarantee={"enabled": False})
    return catalog


def _by_capability(pairs: pd.DataFrame) -> dict[str, set[str]]:
    return {str(name): set(mine["clip_id"]) for name, mine in pairs.groupby("capability")}


VIDEOS = {f"v{n:02}" for n in range(20)} - {"v07"}
TEXTS = {f"t{n:02}" for n in range(20)}
BOTH = {f"v{n:02}" for n in range(1, 20, 2)}


def test_no_clip_outside_a_scope_is_labelled_or_paid_for(found: Any) -> None:
    assert _by_capability(found.load("labels")) == {"topic": VIDEOS, "hate": TEXTS, "mood": BOTH}
    assert _by_capability(found.load("rule_annotations")) == {"topic": VIDEOS}
    asked = _by_capability(found.load("llm_annotations"))
    assert asked == {"topic": (BOTH & VIDEOS) - {"v01", "v03"}, "hate": TEXTS - {"t00", "t01"}, "mood": BOTH}
    summary = found.load("label_summary")
    assert {name: (one["labels"], one["clips"]) for name, one in summary["capabilities"].items()} == {
        "topic": (19, 19), "hate": (20, 20), "mood": (10, 10),
    }  # fmt: skip


def test_what_contradicts_a_scope_is_kept_apart_and_entered_in_the_ledger(found: Any) -> None:
    apart = found.load("annotations_apart")
    assert set(zip(apart["clip_id"], apart["capability"], strict=True)) == {
        ("t02", "topic"), ("v05", "hate"), ("v07", "topic"),
    }  # fmt: skip
    assert set(apart["clip_id"]) <= set(found.load("ledger").query("kind == 'human'")["clip_id"])
    report = found.load("scopes")
    assert [report[name]["labels_outside"] for name in CAPABILITIES] == [1, 1, 0]


def test_no_task_asks_what_does_not_apply(found: Any) -> None:
    for task in found.load("label_queue"):
        clip, asked = task["data"]["clip_id"], set(task["meta"].get("capabilities", CAPABILITIES))
        assert asked == {name for name, mine in (("topic", VIDEOS), ("hate", TEXTS), ("mood", BOTH)) if clip in mine}


def test_no_clip_outside_a_scope_is_learned_from_or_taken_for_unlabelled(feed: Any, found: Any) -> None:
    data = gather_training_data(feed["clips"], found.load("labels"), found.load("capabilities_resolved"))
    assert set(data) == {"topic", "hate"}
    assert set(data["topic"].clips["clip_id"]) <= VIDEOS
    assert set(data["hate"].clips["clip_id"]) <= TEXTS
    assert (data["topic"].unlabelled, data["hate"].unlabelled) == ((), ())
