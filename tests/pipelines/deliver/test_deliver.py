"""The whole pipeline on small random models: MLflow's registry, BentoML's build and its real server."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.core import counters
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import CLIPS, PREDICTIONS
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.datasets.objects import JSONObjectLog
from cu_pipeline.datasets.samples import SampleClip, SampleFolder
from cu_pipeline.datasets.tables import JSONFile
from cu_pipeline.inference.prediction_log import read_log
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.models.reference import Reference
from cu_pipeline.pipelines.deliver import create_pipeline
from cu_pipeline.pipelines.deliver.bento import Bento, build, serving
from cu_pipeline.pipelines.deliver.verification import DeliverOptions
from cu_pipeline.tracking import registry

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = DeliverOptions(replay_clips=4)

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder with this package's sources and nothing made yet."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "src/cu_pipeline", root / "src/cu_pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("bentofile.yaml", "weights.txt", "image.lock"):
        shutil.copy(ROOT / name, root / name)
    (root / "constraints.txt").write_text("")
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(root))
    monkeypatch.delenv("CU_PIPELINE_BUNDLES", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield root
    import mlflow

    mlflow.set_tracking_uri(None)


def clips():
    texts = [f"a caption about thing number {number}" for number in range(9)]
    rows = [
        {"clip_id": f"c{number}", "text": text, "text_sha256": text_sha256(text), "split": "test", "path": ""}
        | {"media_sha256": ""}
        for number, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=list(CLIPS), dtype="object")


def predict(bundles, clips):
    predictor = Predictor(bundles)
    rows = []
    for clip, text in zip(clips["clip_id"], clips["text"], strict=True):
        prediction = predictor.predict(None, text)
        for name, probabilities in prediction.probabilities.items():
            rows.append(
                {"clip_id": clip, "capability": name, "split": "test", "label": prediction.labels[name]}
                | {"probabilities": json.dumps(probabilities), "model_version": bundles[name].version}
            )
    return pd.DataFrame(rows, columns=list(PREDICTIONS), dtype="object")


def gate(bundles, decision="promote", champions=None):
    return {
        name: {"decision": decision, "reasons": ["a reason"], "challenger": bundle.version}
        | {"champion": champions[name].version if champions else None}
        for name, bundle in bundles.items()
    }


def datasets(project, bundles, gate, predictions):
    champions, ledger = project / "data/06_models/champions", project / "data/06_models/promotions.jsonl"
    of = "cu_pipeline.tracking.promotions.Promotion"
    return {
        "bundles": MemoryDataset(bundles, copy_mode="assign"),
        "gate": MemoryDataset(gate),
        "clips": MemoryDataset(clips()),
        "predictions": MemoryDataset(predictions),
        "params:deliver": MemoryDataset(OPTIONS),
        "capabilities_resolved": MemoryDataset(ResolvedCapabilities(skipped={"waits": "no label"})),
        "champions": BundlesDataset(filepath=str(champions)),
        "packed_champions": BundlesDataset(filepath=str(champions.with_name("packed_champions"))),
        "metrics": MemoryDataset({}),
        "earlier_served_quality": MemoryDataset({}),
        "page_samples": SampleFolder(filepath=str(champions.with_name("samples"))),
        "served_quality": JSONFile(filepath=str(champions.with_name("quality.json"))),
        "served_champions": BundlesDataset(filepath=str(champions), lenient=True),
        "earlier_promotions": JSONObjectLog(filepath=str(ledger), of=of),
        "promotions": JSONObjectLog(filepath=str(ledger), of=of),
        "delivery": MemoryDataset(),
    }


def promote(project, bundles, gate):
    """Run what decides who serves; give the served versions and the ledger's changes."""
    catalog = DataCatalog(datasets(project, bundles, gate, None))
    SequentialRunner().run(create_pipeline().to_outputs("champions"), catalog)
    served = {name: bundle.version for name, bundle in catalog.load("champions").items()}
    return served, [(entry.before, entry.after, entry.cause) for entry in catalog.load("promotions")]


def run(project, bundles, gate, predictions):
    counters.reset()
    catalog = DataCatalog(datasets(project, bundles, gate, predictions))
    SequentialRunner().run(create_pipeline(), catalog)
    return catalog.load("delivery"), counters.counts()


def roll_back(capability, version):
    """As the button in MLflow's UI does."""
    import mlflow

    mlflow.MlflowClient().set_registered_model_alias(registry.model_name(capability), "champion", version)


def test_delivery_end_to_end(project, make_bundle, caplog):
    learned = {"learned_from": ("feedfeedfeedfeed",), "unlabelled": ("cafecafecafecafe",), "trained_on": "d0d0d0d0d0d0"}
    bundles = {
        "topic": replace(make_bundle(), **learned, reference=Reference(b"creators of clips")),
        "safety": make_bundle("safety", Kind.MULTI, ("advert", "violence"), seed=2),
    }
    predictions = predict(bundles, clips())

    delivery, counts = run(project, bundles, gate(bundles), predictions)
    assert delivery["capabilities"] == {
        name: {"version": "1", "alias": "champion", "model_version": bundle.version} for name, bundle in bundles.items()
    }
    store = project / OPTIONS.bentoml_home
    packed = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert bundles["topic"].version.encode() in packed
    assert [trace for trace in (b"feedfeed", b"cafecafe", b"d0d0d0", b"creators of") if trace in packed] == []
    assert (project / "data/06_models/champions/topic/reference.parquet").read_bytes() == b"creators of clips"
    assert delivery["packed"][0]["bytes"] > 100_000
    assert any(one.startswith("onnxruntime==") for one in delivery["packed"][0]["packages"])
    assert delivery["parity"]["clips"] == 3
    assert delivery["parity"]["max_abs_diff"] <= 1e-4
    assert delivery["service"]["replayed"] == 4
    assert (counts["bentos_built"], counts["service_requests"]) == (1, 7)
    log = read_log(project / OPTIONS.prediction_log, replays=True)
    assert (len(log.records), log.invalid) == (7, 0)
    assert log.records[0].versions == {name: bundle.version for name, bundle in bundles.items()}

    served = project / "data/06_models/champions/topic/model.safetensors"
    before = served.stat().st_mtime_ns
    again, counts = run(project, bundles, gate(bundles, "keep"), predictions)
    assert again == delivery
    assert (counts["bentos_built"], counts["service_requests"]) == (0, 0)
    assert served.stat().st_mtime_ns == before

    challenger = {"topic": make_bundle(seed=3), "safety": bundles["safety"]}
    kept, counts = run(project, challenger, gate(challenger, "keep"), predict(challenger, clips()))
    assert kept["capabilities"] == delivery["capabilities"]
    assert kept["bento"] == delivery["bento"]


@pytest.fixture
def three(make_bundle):
    return [{"topic": make_bundle(seed=seed)} for seed in (1, 2, 3)]


def versions(bundles):
    return {name: bundle.version for name, bundle in bundles.items()}


def test_what_people_take_back_is_not_promoted_again(project, three, caplog):
    first, second, third = three
    a, b, c = (bundles["topic"].version for bundles in three)
    assert promote(project, first, gate(first)) == (versions(first), [(None, a, "gate")])
    served, ledger = promote(project, second, gate(second, champions=first))
    assert (served, ledger[1:]) == (versions(second), [(a, b, "gate")])
    roll_back("topic", "1")
    for _ in range(2):
        served, ledger = promote(project, second, gate(second, champions=first))
        assert (served, ledger[2:]) == (versions(first), [(b, a, "hand")])
    assert f"kedro models promote topic {b}" in caplog.text
    served, ledger = promote(project, third, gate(third, champions=first))
    assert (served, ledger[3:]) == (versions(third), [(a, c, "gate")])


def test_a_clones_empty_registry_is_filled_and_gated_against(project, three, tmp_path, monkeypatch):
    first, second, third = three
    promote(project, first, gate(first))
    promote(project, second, gate(second, champions=first))
    clone = tmp_path / "clone"
    shutil.copytree(project / "data", clone / "data")
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(clone))
    assert registry.champion("topic") is None
    served, ledger = promote(clone, third, gate(third, "keep", second))
    assert (served, len(ledger)) == (versions(second), 2)
    champion = registry.champion("topic")
    assert champion is not None
    assert champion.bundle_version == second["topic"].version


def test_a_decision_about_another_champion_promotes_nothing(project, three, caplog):
    first, second, third = three
    promote(project, first, gate(first))
    served, ledger = promote(project, third, gate(third, champions=second))
    assert (served, len(ledger)) == (versions(first), 1)
    assert "stays until the evaluate pipeline has run" in caplog.text


@pytest.mark.parametrize("output", ["promotions", "champions"])
def test_a_delivery_that_was_killed_is_completed_by_the_next(project, three, output, monkeypatch):
    first, second, _ = three
    promote(project, first, gate(first))
    kinds = {"promotions": JSONObjectLog, "champions": BundlesDataset}
    real = kinds[output].save

    def save(self, data):
        if output == "promotions":
            real(self, data)  # the ledger is written, nothing else is
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kinds[output], "save", save)
        with pytest.raises(KeyboardInterrupt):
            promote(project, second, gate(second, champions=first))
    verdict = gate(second, "keep", second)  # the next run's gate finds that the challenger is the champion
    served, ledger = promote(project, second, verdict)
    assert (served, len(ledger)) == (versions(second), 2)


def test_a_capability_that_is_not_trained_keeps_its_champion_while_it_is_configured(project, make_bundle):
    bundles = {name: make_bundle(name) for name in ("waits", "gone", "topic")}
    promote(project, bundles, gate(bundles))
    served, _ = promote(project, {"topic": bundles["topic"]}, gate({"topic": bundles["topic"]}, "keep", bundles))
    assert set(served) == {"waits", "topic"}


def test_without_a_champion_nothing_is_served(project, make_bundle):
    bundles = {"topic": make_bundle()}
    delivery, counts = run(project, bundles, gate(bundles, "keep"), predict(bundles, clips()))
    assert (delivery["bento"], delivery["capabilities"], delivery["parity"]) == (None, {}, None)
    assert "service_requests" not in counts


def test_a_gate_of_another_bundle_stops_the_delivery(project, make_bundle):
    bundles = {"topic": make_bundle()}
    stale = gate({"topic": make_bundle(seed=9)})
    with pytest.raises(DeliveryError, match="Run the evaluate pipeline first"):
        run(project, bundles, stale, predict(bundles, clips()))


def test_the_packed_service_stands_on_its_own(project, make_bundle, tmp_path, monkeypatch):
    """It serves the code and the models that it packs, from a folder that is no project."""
    bundle = make_bundle()
    (clip := tmp_path / "clip.mp4").write_bytes(b"a clip")
    bundle.for_serving().save(project / "data/06_models/packed_champions/topic")
    SampleFolder(filepath=str(project / "data/06_models/samples")).save([SampleClip(str(clip), "a caption")])
    (project / "data/06_models/quality.json").write_text("{}")
    app = project / "src/cu_pipeline/service/app.py"
    app.write_text(app.read_text().replace('"serving %s from %s"', '"the packed code serves %s from %s"'))
    made: Bento = build(project, tmp_path / "store")
    shutil.rmtree(project)
    monkeypatch.delenv("CU_PIPELINE_ROOT")
    with serving(made, prediction_log=tmp_path / "log", output=tmp_path / "service.log", timeout_s=120) as server:
        reply = httpx.get(f"{server.url}/capabilities", trust_env=False, timeout=60).json()
        assert reply["capabilities"]["topic"]["model_version"] == bundle.version
        assert reply["service_version"] == made.version
        assert "What is in this clip?" in httpx.get(server.url, trust_env=False).text
        assert httpx.get(f"{server.url}/samples/clip.mp4", trust_env=False).content == b"a clip"
    expected = f"the packed code serves topic from {made.folder}/src/data/06_models/packed_champions"
    assert expected in (tmp_path / "service.log").read_text()
