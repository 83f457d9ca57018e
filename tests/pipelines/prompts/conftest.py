import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core import counters
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.llm.lab.development import PromptsOptions
from cu_pipeline.pipelines.prompts import create_pipeline
from cu_pipeline.tracking import mlflow_run

BASE = Path(__file__).parents[3] / "conf" / "base"


@pytest.fixture(scope="module")
def run_lab(tracked_root: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that runs the pipeline with the project's own catalog moved, and gives the results."""

    def run(
        clips: pd.DataFrame,
        annotations: pd.DataFrame,
        resolved: ResolvedCapabilities,
        lab: PromptsOptions,
        label: LabelOptions,
    ) -> dict[str, Any]:
        catalog = DataCatalog.from_config(_catalog(tracked_root))
        catalog["clips"], catalog["annotations"] = clips, annotations
        catalog["capabilities_resolved"] = resolved
        catalog["params:prompts"], catalog["params:label.llm"] = lab, label.llm
        catalog["params:label.people"], catalog["params:label.guarantee"] = label.people, label.guarantee
        catalog["params:label.llm.client"] = label.llm.client
        catalog["params:seed"], catalog["params:compute"] = 17, ComputeOptions(workers=1)
        catalog["features"] = FeatureStore(tracked_root / "features")
        catalog["params:featurize.extractors"] = FeatureOptions()
        counters.reset()
        mlflow_run.start(tracked_root, "prompts", {})
        try:
            SequentialRunner().run(create_pipeline(), catalog)
        finally:
            mlflow_run.finish("FINISHED")
        return json.loads((tracked_root / "data/08_reporting/prompts.json").read_text())

    return run


def _catalog(root: Path) -> dict[str, dict[str, Any]]:
    config: dict[str, dict[str, Any]] = {}
    for name in ("label", "prompts"):
        config |= yaml.safe_load((BASE / f"catalog_{name}.yml").read_text())
    for entry in (one for one in config.values() if "filepath" in one):
        path = Path(entry["filepath"])
        entry["filepath"] = str(root / path if path.parts[0] == "data" else BASE.parents[1] / path)
    return config
