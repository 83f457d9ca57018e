"""A corpus that grows costs what was added."""

import logging
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core import counters
from cu_pipeline.core.capability import Capabilities
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.pipeline import create_pipeline


def film(path: Path, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 255, (2, 5, 4, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height = 64, 80
        for share in np.linspace(0, 1, 8):
            image = np.kron((1 - share) * picture[0] + share * picture[1], np.ones((16, 16, 1)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8))))
        container.mux(stream.encode(None))


def collect(root: Path, clips: int, catalog_file: Path) -> dict[str, int]:
    for number in range(clips):
        if not (root / f"{number}.mp4").exists():
            film(root / f"{number}.mp4", seed=number)
    rows = [f"c{number},{number}.mp4,caption {number}" for number in range(clips)]
    (root / "feed.csv").write_text("\n".join(["clip_id,path,text", *rows]) + "\n")
    entries = yaml.safe_load(catalog_file.read_text(encoding="utf-8"))
    monitored = yaml.safe_load(catalog_file.with_name("catalog_monitor.yml").read_text(encoding="utf-8"))
    entries["prediction_log"] = monitored["prediction_log"]
    for entry in entries.values():
        entry["filepath"] = str(root / entry["filepath"])
    catalog = DataCatalog.from_config(entries)
    capabilities = Capabilities.model_validate({"topic": {}})
    options = {
        "collect": CollectOptions(manifest="feed.csv"),
        "capabilities": capabilities,
        "compute": ComputeOptions(workers=2),
    }
    for name, value in options.items():
        catalog[f"params:{name}"] = value
    for name in ("fetch", "limits", "duplicates", "language", "split", "checks"):
        catalog[f"params:collect.{name}"] = getattr(options["collect"], name)
    counters.reset()
    SequentialRunner().run(create_pipeline(), catalog)
    return counters.counts()


def test_ten_clips_added_to_thirty_are_the_only_ones_probed_and_decoded(
    tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    catalog_file = project_root / "conf" / "base" / "catalog_collect.yml"
    logs = [tmp_path / "data" / "02_intermediate" / name for name in ("probes.jsonl", "frame_hashes.jsonl")]
    worked = ("clips_collected", "clips_probed", "clips_hashed")
    for clips, new in ((30, 30), (40, 10), (40, 0)):
        counts = collect(tmp_path, clips, catalog_file)
        assert [counts[name] for name in worked] == [clips, new, new]
        assert [len(log.read_text().splitlines()) for log in logs] == [clips, clips]
