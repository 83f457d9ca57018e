from pathlib import Path

import pytest
from mlflow import MlflowClient

from cu_pipeline.tracking import logged_models, mlflow_run, registry


@pytest.fixture
def bundle(tracked_root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_text("{}")
    return folder


@pytest.mark.usefixtures("tracked_root")
def test_of_a_capability_without_models_nothing_is_found() -> None:
    assert registry.champion("nothing") is None
    assert registry.find("nothing", "aaa") is None
    assert registry.numbered("nothing", "1") is None


def test_a_registered_bundle_is_the_challenger_and_comes_back_whole(bundle: Path, tmp_path: Path) -> None:
    assert registry.register(bundle, "topic", "aaa") == "1"
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    (target / "left over").write_text("old")
    found = registry.find("topic", "aaa")
    assert found is not None
    assert found == registry.numbered("topic", "1")
    assert registry.fetch(found.source, target) == target
    assert [path.name for path in target.iterdir()] == ["bundle.json"]
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    assert registry.champion("topic") is None


def test_an_identical_bundle_is_not_registered_again(bundle: Path) -> None:
    assert registry.register(bundle, "safety", "aaa") == "1"
    assert registry.register(bundle, "safety", "bbb") == "2"
    assert registry.register(bundle, "safety", "aaa") == "1"


def test_a_bundle_that_is_registered_again_is_the_challenger_again(bundle: Path) -> None:
    def challenger() -> str:
        found = MlflowClient().get_model_version_by_alias(registry.model_name("again"), registry.CHALLENGER)
        return found.tags["bundle_version"]

    for version in ("aaa", "bbb", "aaa"):
        registry.register(bundle, "again", version)
        assert challenger() == version


def test_of_a_bundle_that_two_machines_registered_at_once_the_latest_is_meant(bundle: Path) -> None:
    assert registry.register(bundle, "twice", "aaa") == "1"
    client, name = MlflowClient(), registry.model_name("twice")
    first = client.get_model_version(name, "1")
    client.create_model_version(name, first.source, tags={"bundle_version": "aaa"})
    assert registry.register(bundle, "twice", "aaa") == "2"
    assert client.get_model_version_by_alias(name, registry.CHALLENGER).version in {2, "2"}


def test_the_champion_is_what_has_the_alias_until_it_has_none(bundle: Path) -> None:
    first = registry.register(bundle, "mood", "aaa")
    second = registry.register(bundle, "mood", "bbb")
    registry.set_champion("mood", second)
    champion = registry.champion("mood")
    assert champion is not None
    assert (champion.version, champion.bundle_version) == (second, "bbb")
    registry.set_champion("mood", first)
    assert registry.champion("mood") == registry.find("mood", "aaa")
    registry.set_champion("mood", None)
    assert registry.champion("mood") is None


def test_a_bundle_may_be_registered_as_champion_at_once(bundle: Path) -> None:
    registry.register(bundle, "filled", "aaa", registry.CHAMPION)
    champion = registry.champion("filled")
    assert champion is not None
    assert champion.bundle_version == "aaa"


def test_files_go_to_the_run_that_is_active(bundle: Path, tracked_root: Path) -> None:
    run_id = mlflow_run.start(tracked_root, "deliver", {})
    registry.register(bundle, "language", "aaa")
    mlflow_run.finish("FINISHED")
    found = registry.find("language", "aaa")
    assert found is not None
    assert found.run_id == run_id


@pytest.mark.parametrize("name", ["brand's safety: a/b", "..", "C++", "100%", "名" * 90, "x" * 300])
def test_a_capability_may_have_any_name(bundle: Path, tmp_path: Path, name: str) -> None:
    version = registry.register(bundle, name, "aaa")
    registry.set_champion(name, version)
    champion = registry.champion(name)
    assert champion is not None
    assert (registry.fetch(champion.source, tmp_path / "target") / "bundle.json").is_file()


def log_model(root: Path, bundle: Path, capability: str, version: str, **metrics: float) -> str:
    """Log a bundle as a run does; give the model's id."""
    run_id = mlflow_run.start(root, "train", {})
    client, tags = MlflowClient(), {"capability": capability, "bundle_version": version, "family": "linear"}
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name="logged", source_run_id=run_id, tags=tags)
    client.log_model_artifacts(model.model_id, str(bundle))
    client.finalize_logged_model(model.model_id, "READY")
    for name, value in metrics.items():
        client.log_metric(run_id, name, value, model_id=model.model_id)
    mlflow_run.finish("FINISHED")
    return str(model.model_id)


def test_a_logged_model_is_registered_with_its_files_its_numbers_and_words(
    bundle: Path, tracked_root: Path, tmp_path: Path
) -> None:
    stored = len(list(tracked_root.rglob("bundle.json")))
    model_id = log_model(tracked_root, bundle, "logged", "aaa", accuracy=0.75)
    number = registry.register(bundle, "logged", "aaa", None)
    (found,) = registry.all_of("logged")
    assert (found.version, found.source, found.aliases) == (number, f"models:/{model_id}", ())
    assert (found.tags["family"], found.tags["accuracy"]) == ("linear", "0.75")
    stored_version = MlflowClient().get_model_version(registry.model_name("logged"), number)
    assert stored_version.description == "linear, trained by the run train; test accuracy 0.750"
    logged = logged_models.find("logged", "aaa")
    assert logged is not None
    assert logged.files_of == model_id, "a server with artifacts takes no source without it"
    assert (registry.fetch(found.source, tmp_path / "target") / "bundle.json").is_file()
    assert len(list(tracked_root.rglob("bundle.json"))) == stored + 1


def test_versions_are_listed_newest_first_with_their_aliases(bundle: Path) -> None:
    for version in ("aaa", "bbb", "ccc"):
        registry.register(bundle, "several", version)
    registry.set_champion("several", "1")
    found = [(one.bundle_version, one.aliases) for one in registry.all_of("several")]
    assert found == [("ccc", ("challenger",)), ("bbb", ()), ("aaa", ("champion",))]
    assert registry.all_of("nothing at all") == []


def test_runs_and_files_lie_in_the_project(tracked_root: Path, bundle: Path) -> None:
    registry.register(bundle, "place", "aaa")
    assert (tracked_root / "mlruns" / "mlflow.db").is_file()
    assert list((tracked_root / "mlruns" / "artifacts").rglob("place/aaa/bundle.json"))


def test_a_tracking_server_that_is_given_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert mlflow_run.tracking_uri(tmp_path) == "http://mlflow.example:5000"
