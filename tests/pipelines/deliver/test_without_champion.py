"""The whole pipeline where no model was trained: nothing is built, started or served."""

from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.core.records import CLIPS, PREDICTIONS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.pipelines.deliver import create_pipeline
from cu_pipeline.pipelines.deliver.verification import DeliverOptions


def test_without_any_model_nothing_is_served_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, caption_reader: Bundle
) -> None:
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    caplog.set_level("INFO")
    champions = BundlesDataset(filepath=str(tmp_path / "champions"))
    champions.save({"topic": caption_reader})
    values: dict[str, object] = {
        "bundles": {},
        "gate": {},
        "clips": table([], CLIPS),
        "served_champions": {"topic": caption_reader},
        "earlier_promotions": [],
        "promotions": [],
        "metrics": {},
        "earlier_served_quality": {},
        "capabilities_resolved": ResolvedCapabilities(),
        "predictions": table(pd.DataFrame(columns=list(PREDICTIONS)), PREDICTIONS),
        "params:deliver": DeliverOptions(),
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in values.items()})
    catalog["champions"] = champions
    catalog["delivery"] = MemoryDataset()
    SequentialRunner().run(create_pipeline(), catalog)
    delivery = catalog.load("delivery")
    assert (delivery["bento"], delivery["capabilities"]) == (None, {})
    assert champions.load() == {}
    assert "nothing is served: no capability has a champion yet" in caplog.text
    assert not (tmp_path / DeliverOptions().bentoml_home).exists()
