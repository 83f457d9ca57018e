import pandas as pd
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.drift_files import drift_told

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, DUPLICATES, LABELS, REJECTS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.tables import CSVTable, Folder, JSONFile, TextFile
from cu_pipeline.pipelines.report.pipeline import create_pipeline
from cu_pipeline.reports.cards import ReportOptions


def test_a_run_without_any_clip_still_gives_a_page(tmp_path):
    rejects = CSVTable(filepath=str(tmp_path / "rejects.csv"))
    rejects.save(table(pd.DataFrame([["a", "a.mp4", "empty", "0 bytes"]], columns=list(REJECTS)), REJECTS))
    values = {
        "clips": table([], CLIPS),
        "annotations": table([], ANNOTATIONS),
        "labels": table([], LABELS),
        "duplicates": table([], DUPLICATES),
        "leakage": {kind: {"shared": 0} for kind in ("creators", "duplicate_groups", "captions", "common_captions")},
        "agreement": {},
        "data_checks": {"classes": {}, "rare_classes": [], "least": 5},
        "params:seed": 17,
        "capabilities_resolved": ResolvedCapabilities(skipped={"topic": "the feed has no label for it"}),
        "guarantee": {},
        "label_errors": {},
        "label_summary": {},
        "scopes": {},
        "label_queue": [],
        "metrics": {},
        "bundles": {},
        "champions": {},
        "current_snapshot": "0123456789ab",
        "gate": {},
        "insights": {},
        "delivery": {"bento": None, "capabilities": {}},
        "drift": drift_told("not_enough_data"),
        "params:report": ReportOptions(title="A <b> title"),
        "params:compute": ComputeOptions(workers=1),
    }
    catalog = DataCatalog(
        {name: MemoryDataset(value) for name, value in values.items()}
        | {
            "rejects": rejects,
            "thumbnails": Folder(filepath=str(tmp_path / "thumbnails")),
            "data_card": JSONFile(filepath=str(tmp_path / "data_card.json")),
            "data_card_page": TextFile(filepath=str(tmp_path / "data_card.html")),
            "report": TextFile(filepath=str(tmp_path / "index.html")),
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    page = (tmp_path / "index.html").read_text()
    assert "A &lt;b&gt; title" in page
    assert "the feed has no label for it" in page
    assert "0 bytes" in page
