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
from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.records import ANNOTATIONS, DUPLICATES, table
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.scope import Applicability
from cu_pipeline.pipelines.label import create_pipeline

BASE = Path(__file__).parents[3] / "conf" / "base"

Run = Callable[..., tuple[DataCatalog, dict[str, int]]]


@pytest.fixture
def run_label(tmp_path: Path) -> Run:
    """Give a function that runs the label pipeline with the project's own catalog moved to `tmp_path`.

    It takes the tables `clips` and `annotations`, what else differs from a feed that nobody was asked about, and the
    parameters under `label`; it gives the catalog and the counters.
    """

    def run(feed: dict[str, pd.DataFrame], capabilities: dict[str, Any], **label: Any) -> tuple[Any, dict[str, int]]:
        config: dict[str, dict[str, Any]] = yaml.safe_load((BASE / "catalog_label.yml").read_text())
        for entry in (one for one in config.values() if "filepath" in one):
            path = Path(entry["filepath"])
            entry["filepath"] = str(tmp_path / path if path.parts[0] == "data" else BASE.parents[1] / path)
        catalog = DataCatalog.from_config(config)
        usual = {"duplicates": table([], DUPLICATES), "people_batches": [], "people_annotations": []}
        usual |= {"params:featurize.extractors": FeatureOptions(), "label_requests": []}
        for name, frame in (usual | feed).items():
            catalog[name] = frame
        catalog["params:capabilities"] = Capabilities.model_validate(capabilities)
        catalog["features"] = FeatureStore(tmp_path / "data" / "04_feature")
        catalog["params:compute"] = ComputeOptions(workers=1)
        catalog["params:seed"] = 17
        options = LabelOptions.model_validate(label)
        catalog["params:label"] = options
        for name in LabelOptions.model_fields:
            catalog[f"params:label.{name}"] = getattr(options, name)
        counters.reset()
        whole = create_pipeline()
        gathering = whole.only_nodes("keep_people_work", "merge_annotations", "check_data")
        if "people_opinions" not in feed:
            catalog["annotations_apart"], catalog["applicability"] = table([], ANNOTATIONS), Applicability()
            gathering += whole.only_nodes("apply_scopes")
        SequentialRunner().run(whole - gathering, catalog)
        return catalog, counters.counts()

    return run
