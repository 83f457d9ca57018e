from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pipelines.label.test_guarantee import TOPIC, TOPICS, Feed

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions

Run = Callable[..., tuple[Any, dict[str, int]]]
OFF = {"llm": {"enabled": False}, "errors": {"most": 0}}


def test_a_zero_shot_model_is_tested_and_certified_like_other_sources(
    run_label: Run, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    feed = Feed(clips=700, labelled=300, right=0.995)
    clips = feed.tables["clips"]
    clips["media_sha256"] = "m" + clips["clip_id"]
    extractors = FeatureOptions(image_text={"checkpoint": {"name": str(tiny_checkpoints["clip"])}, "count": 1})
    encoder = ImageText(**extractors.root["image_text"].model_dump())
    about = encoder.text_vectors([f"a video of {name}." for name in TOPICS])
    shown = [next(place for place, name in enumerate(TOPICS) if name in text) for text in clips["text"]]
    store = FeatureStore(tmp_path / "data" / "04_feature")
    store.append(encoder.identity, clips["media_sha256"].tolist(), about[np.array(shown)][:, None])
    asked = OFF | {"zero_shot": {"enabled": True, "price": 0.001, "templates": ["a video of {}."]}}

    catalog, counts = run_label(feed.tables | {"params:featurize.extractors": extractors}, TOPIC, **asked)

    labels, found = catalog.load("labels"), catalog.load("guarantee")["topic"]
    assert set(catalog.load("zero_shot_annotations")["clip_id"]) == set(clips["clip_id"])
    assert (counts["calibration_tests"], found.accepted) == (1, 400)
    certified = labels[labels["certified"]]
    assert set(certified["source"]) == {"zero_shot"}
    assert (certified["label"].to_numpy() != feed.truth[certified["clip_id"]].to_numpy()).mean() <= 0.05
    assert "zero_shot" in found.results[0].sequence
    ledger = catalog.load("ledger")
    assert ledger.loc[ledger["kind"] == "zero_shot", "price"].sum() == pytest.approx(0.7)


def test_it_is_off_by_default_and_asks_for_its_extractor(run_label: Run) -> None:
    feed = Feed(clips=5, labelled=2)
    assert run_label(feed.tables, TOPIC, **OFF)[0].load("zero_shot_annotations").empty
    with pytest.raises(ConfigurationError, match="image_text is not in use"):
        run_label(feed.tables, TOPIC, **OFF | {"zero_shot": {"enabled": True}})
