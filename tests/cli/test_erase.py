"""`kedro erase` and the retention of clips as they are typed, in a project that has its configuration and a feed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.servers.kedro_commands import Kedro, kedro_commands

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import CLIPS, table

pytestmark = pytest.mark.slow

FEED = "data/02_intermediate/clips.parquet"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("erase")
    for name in ("conf", "src"):
        shutil.copytree(project_root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project_root / "pyproject.toml", folder)
    (folder / "conf/local").mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def kedro(project: Path, project_environment: dict[str, str]) -> Iterator[Kedro]:
    environment = project_environment | {"PYTHONPATH": str(project / "src"), "CU_PIPELINE_ROOT": str(project)}
    with kedro_commands(project, environment) as run:
        yield run


@pytest.fixture
def feed(project: Path) -> Path:
    """Three clips, of which one is of 2020 and one of nobody knows when."""
    path = project / FEED
    path.parent.mkdir(parents=True, exist_ok=True)
    (project / "erased.jsonl").unlink(missing_ok=True)
    dates = {"ann": "2020-01-01T00:00:00+00:00", "ben": "", "eve": "2200-01-01T00:00:00+00:00"}
    rows = [{"clip_id": f"clip-{who}", "creator": f"creator.{who}", "text": f"said by {who}",
             "raw_text": f"said by {who}", "text_sha256": text_sha256(f"said by {who}"), "posted_at": at,
             "media_sha256": "", "path": "", "bytes": 0, "has_audio": False, "group": who, "split": "train",
             "metadata": "{}", "lang": "", "lang_source": "", "codec": "", "feed": "manifest"}
            for who, at in dates.items()]  # fmt: skip
    table(rows, CLIPS).to_parquet(path)
    return path


def clips(path: Path) -> list[str]:
    return sorted(pd.read_parquet(path)["clip_id"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "name what goes: --clip ID or --creator NAME"),
        (["--resume", "--clip", "a"], "leave --clip and --creator out"),
        (["--lift", "--verify"], "--lift stands alone"),
    ],
)
def test_what_does_not_go_together_is_refused(kedro: Kedro, options: list[str], told: str) -> None:
    code, shown = kedro("erase", *options)
    assert code == 2
    assert told in shown


def test_a_look_changes_nothing_and_names_what_is_not_looked_into(kedro: Kedro, feed: Path) -> None:
    code, shown = kedro("erase", "--creator", "creator.ann", "--clip", "nobody")
    assert code == 0, shown
    assert f"{FEED}  1  rewritten" in shown
    assert "nothing tells of 'nobody'" in shown
    assert "not looked into: git's history" in shown
    assert clips(feed) == ["clip-ann", "clip-ben", "clip-eve"]


@pytest.fixture
def of_a_team(project: Path) -> Iterator[None]:
    """The project shares places with a team."""
    shared = project / ".cluster/env"
    shared.parent.mkdir()
    shared.touch()
    yield
    shared.unlink()
    shared.parent.rmdir()


@pytest.mark.usefixtures("of_a_team")
def test_where_a_team_shares_places_nothing_goes_here_alone(kedro: Kedro, feed: Path) -> None:
    code, shown = kedro("erase", "--creator", "creator.ann", "--yes")
    assert code == 1
    assert "with --env cluster alone: give it, or --env local" in shown
    assert clips(feed) == ["clip-ann", "clip-ben", "clip-eve"]


def test_it_is_done_searched_for_and_lifted(kedro: Kedro, feed: Path) -> None:
    code, shown = kedro("erase", "--creator", "creator.ann", "--yes", "--reason", "asked for")
    assert code == 0, shown
    assert "a search over all stores finds nothing but the tombstone" in shown
    assert clips(feed) == ["clip-ben", "clip-eve"]
    assert kedro("erase", "--verify") == (0, "nothing in any store but the tombstone\n")
    left = feed.with_name("left.csv")
    left.write_text("clip_id,text\nclip-ann,x\n")
    code, shown = kedro("erase", "--verify")
    assert code == 1
    assert "data/02_intermediate/left.csv: erased-" in shown
    left.unlink()
    assert "3 tombstones lifted" in kedro("erase", "--lift", "--creator", "creator.ann")[1]


def test_an_interrupted_erasure_keeps_others_out_and_is_completed(kedro: Kedro, feed: Path, project: Path) -> None:
    identities = {name: [] for name in ("creators", "media", "texts", "alone", "captions", "others")}
    journal = {"identities": identities | {"clips": ["clip-ben"]}, "key": "ab" * 32, "reason": "", "models": [],
               "runs": {}, "unrepeatable": [], "retrain": False}  # fmt: skip
    (project / "data/.erasure.json").write_text(json.dumps(journal))
    for command in (["gc", "--yes"], ["erase", "--clip", "clip-eve"]):
        code, shown = kedro(*command)
        assert code == 1
        assert "kedro erase --resume" in shown
    code, shown = kedro("erase", "--resume")
    assert code == 0, shown
    assert clips(feed) == ["clip-ann", "clip-eve"]
    assert "there is no erasure to complete" in kedro("erase", "--resume")[1]


@pytest.fixture
def of_a_year(project: Path) -> Iterator[None]:
    """Clips are kept for a year."""
    settings = project / "conf/local/parameters.yml"
    settings.write_text("retention: {clips_days: 365}\n")
    yield
    settings.unlink()


@pytest.mark.usefixtures("of_a_year", "of_a_team")
def test_clips_do_not_go_by_age_here_alone(kedro: Kedro, feed: Path) -> None:
    code, shown = kedro("gc", "--yes")
    assert code == 1
    assert "with --env cluster alone: give it, or --env local" in shown
    assert len(clips(feed)) == 3


@pytest.mark.usefixtures("of_a_year")
def test_clips_go_by_age_when_the_settings_say_so(kedro: Kedro, feed: Path, project: Path) -> None:
    code, shown = kedro("gc")
    assert code == 0, shown
    assert "clips that nobody dated: 1; they stay" in shown
    assert "clips posted more than 365 days ago: 1" in shown
    assert len(clips(feed)) == 3
    code, shown = kedro("gc", "--yes")
    assert code == 0, shown
    assert clips(feed) == ["clip-ben", "clip-eve"]
    assert "older than 365 days" in (project / "erased.jsonl").read_text()
