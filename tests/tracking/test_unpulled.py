"""What a run does in a clone to which nobody has fetched the champions that `dvc.lock` records."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.hooks.dvc import DvcHooks
from cu_pipeline.tracking.catalog_files import CatalogFile, catalog_files
from cu_pipeline.tracking.configuration import STAGE_VARIABLE
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.unpulled import check_champions

CHAMPIONS, LEDGER = "data/06_models/champions", "data/06_models/promotions.jsonl"
CHOOSES, LEARNS = {"bundles", "gate", "earlier_promotions"}, {"clips", "labels", "bundles", "served_champions"}


@pytest.fixture
def files(project_root: Path) -> dict[str, CatalogFile]:
    texts = [file.read_text() for file in (project_root / "conf" / "base").glob("catalog_*.yml")]
    return catalog_files({name: entry for text in texts for name, entry in yaml.safe_load(text).items()})


@pytest.fixture
def clone(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that makes a project whose `dvc.lock` records champions and a ledger, and leaves some there."""

    def make(*there: str, bundle: str = "{}", entries: str = "{}\n") -> Path:
        (tmp_path / CHAMPIONS / "topic").mkdir(parents=True)
        if bundle:
            (tmp_path / CHAMPIONS / "topic" / "bundle.json").write_text(bundle)
        (tmp_path / LEDGER).write_text(entries)
        outs = [{"path": path, "hash": "md5", "md5": dvc_md5(tmp_path / path)} for path in (CHAMPIONS, LEDGER)]
        (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"deliver": {"outs": outs}}}))
        for path in {CHAMPIONS, LEDGER} - set(there):
            (tmp_path / path).rename(tmp_path / Path(path).name)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("there", "absent"),
    [((), f"{CHAMPIONS} {LEDGER}"), ((LEDGER,), CHAMPIONS), ((CHAMPIONS,), LEDGER)],
)
def test_a_run_that_chooses_champions_stops_and_says_what_to_fetch(clone, files, there, absent) -> None:
    root = clone(*there)
    with pytest.raises(ConfigurationError, match="they were not fetched") as raised:
        check_champions(root, CHOOSES, files)
    assert f"`dvc pull {absent}`" in str(raised.value)


def test_what_it_says_for_those_who_have_lost_them_lets_the_next_run_go_on(clone, files) -> None:
    root = clone()
    with pytest.raises(ConfigurationError, match=f"`mkdir -p {CHAMPIONS} && touch {LEDGER}`"):
        check_champions(root, CHOOSES, files)
    (root / CHAMPIONS).mkdir(parents=True)
    (root / LEDGER).touch()
    check_champions(root, CHOOSES, files)


def test_tests_of_the_gate_that_were_not_fetched_stop_it_too(clone, files) -> None:
    root, account = clone(CHAMPIONS, LEDGER), files["gate_tests"].path
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    lock["stages"]["evaluate"] = {"outs": [{"path": account, "hash": "md5", "md5": "a" * 32}]}
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    with pytest.raises(ConfigurationError, match=f"touch {LEDGER} {account}`") as raised:
        check_champions(root, CHOOSES, files)
    assert f"`dvc pull {account}`" in str(raised.value)
    (root / account).touch()
    check_champions(root, CHOOSES, files)


def test_a_run_that_only_learns_is_warned(clone, files, caplog) -> None:
    check_champions(clone(), LEARNS, files)
    assert "evaluate and deliver stop without them" in caplog.text
    assert f"`dvc pull {CHAMPIONS} {LEDGER}`" in caplog.text


@pytest.mark.parametrize("used", [CHOOSES, LEARNS])
def test_nothing_is_said_where_nothing_is_missing(clone, files, caplog, tmp_path, used) -> None:
    check_champions(tmp_path, used, files)  # a first run: there is no dvc.lock
    check_champions(clone(CHAMPIONS, LEDGER), used, files)
    assert caplog.text == ""


def test_of_the_real_pipelines_those_stop_that_choose_champions(clone, files, project_root, monkeypatch) -> None:
    monkeypatch.setenv(STAGE_VARIABLE, "any")  # as in `dvc repro`, where the hook does nothing else
    bootstrap_project(project_root)
    pipelines.set_requested(None)
    root, stopped = clone(), set()
    for name, pipeline in dict(pipelines).items():
        run = SimpleNamespace(root=root, pipeline=pipeline, files=files)
        try:
            DvcHooks(SimpleNamespace(run=run)).before_pipeline_run()
        except ConfigurationError:
            stopped.add(name)
    assert stopped == {"__default__", "evaluate", "deliver"}


def test_a_project_in_which_nothing_was_promoted_is_not_asked_for_it(clone, files, caplog) -> None:
    check_champions(clone(bundle="", entries=""), CHOOSES, files)
    assert caplog.text == ""
