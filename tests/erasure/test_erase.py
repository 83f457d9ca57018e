"""The whole way: a planted creator is found nowhere afterwards, also when the way is cut short."""

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from tests.erasure.planting import CREATOR, IDS, LEDGERS, LOG, OTHERS, project_of

from cu_pipeline.core.errors import RunInProgressError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.erasure.erase import complete, prepare, survey
from cu_pipeline.erasure.journal import Journal
from cu_pipeline.erasure.project import TOMBSTONES, Wanted
from cu_pipeline.erasure.subjects import find_subjects
from cu_pipeline.erasure.verify import search_stores
from cu_pipeline.features.store import part_keys
from cu_pipeline.inference.prediction_log import read_latest
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.labeling.ledger import call_key
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.tracking.run_lock import ERASURE, RunLock


def fragments(root: Path) -> set[str]:
    """What must be nowhere: names, ids, and hashes and captions that nobody else's clip has."""
    clips = pd.read_parquet(root / "data/02_intermediate/clips.parquet")
    own, others = clips[clips["creator"] == CREATOR], clips[clips["creator"] != CREATOR]
    kept = {value for column in ("media_sha256", "text_sha256", "text") for value in others[column]}
    found = {value for column in ("media_sha256", "text_sha256", "text") for value in own[column]}
    return {CREATOR, *IDS} | (found - kept)


def holding(root: Path, wanted: set[str]) -> list[str]:
    """Search all bytes, tables decoded: independent of what is tested."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.name != TOMBSTONES):
        content = path.read_bytes()
        if content.startswith(b"PAR1"):
            content += pd.read_parquet(io.BytesIO(content)).to_csv().encode()
        if any(one.encode() in content or one in path.name for one in wanted):
            found.append(path.relative_to(root).as_posix())
    return found


@pytest.fixture
def copy(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "project"
    shutil.copytree(planted, root)
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    yield root
    import mlflow

    mlflow.set_tracking_uri(None)


def subjects(root: Path) -> Wanted:
    return Wanted(find_subjects(project_of(root), [], [CREATOR]).identities)


def test_every_store_is_listed_and_a_look_changes_nothing(planted: Path) -> None:
    found = find_subjects(project_of(planted), [], [CREATOR])
    assert found.identities.clips >= set(IDS)
    assert found.copies == ((OTHERS[1], "Ben"),)
    before = holding(planted, fragments(planted))
    listed = {held.place.what for held in survey(project_of(planted), Wanted(found.identities))}
    told = " ".join(listed)
    missed = [
        path for path in before
        if path not in told and Path(path).parent.as_posix() not in told and ".dvc" not in path and LOG not in path
        and "01_raw/capture" not in path
    ]  # fmt: skip
    assert missed == []
    assert holding(planted, fragments(planted)) == before
    assert not (planted / TOMBSTONES).exists()


def test_afterwards_it_is_nowhere_and_what_is_others_stays(copy: Path) -> None:
    wanted, project = fragments(copy), project_of(copy)
    journal = prepare(project, subjects(copy), reason="asked for", retrain=False)
    done = list(complete(project, journal))
    assert len(done) > 15
    assert holding(copy, wanted) == []
    assert list(search_stores(project, [IDS[0]], [CREATOR])) == []
    assert not (copy / ERASURE).exists()
    assert [name.split()[0] for name in journal.models] == ["topic"]
    assert "(champion)" in journal.models[0]
    assert len(journal.unrepeatable) == 1
    _others_stay(copy)


def _others_stay(root: Path) -> None:
    clips = pd.read_parquet(root / "data/02_intermediate/clips.parquet")
    assert sorted(clips["clip_id"]) == sorted(OTHERS)
    assert (root / "data/01_raw/media/aa/planted.mp4").is_file()  # Ben's shows the same
    ledger = pd.read_parquet(root / LEDGERS["ledger"])
    assert len(ledger) == 10
    assert ledger["price"].sum() == pytest.approx(3.0)
    assert ledger["clip_id"].str.startswith("erased-").sum() == 4
    calls = [json.loads(line) for line in (root / LEDGERS["llm_calls"]).read_text().splitlines()]
    assert sum(call["paid_for"]["usd"] for call in calls) == 2.5
    entered = ledger.loc[ledger["kind"] == "llm", "key"]
    assert set(entered) == {call_key(f"{call['key']}-0") for call in calls}  # else they were entered and paid again
    assert len(json.loads((root / LEDGERS["gate_tests"]).read_text())["added"]) == 5
    assert len(json.loads((root / "data/05_model_input/label_queue.json").read_text())) == 3
    assert len(json.loads((root / "data/01_raw/people_batches.jsonl").read_text())["items"]) == 3
    assert (root / "data/08_reporting/service.log").read_text() == f"asked about {OTHERS[0]}\n"
    assert {one.clip_id for one in read_latest(root / LOG, 100)} == {*OTHERS}
    assert len(list(CaptureStore(root / "data/01_raw/capture").entries())) == 3
    part = next((root / "data/04_feature").rglob("part-*.parquet"))
    assert len(part_keys(part)) == 2
    bundle = Bundle.load(root / "data/06_models/champions/topic")
    assert bundle.reference is not None
    assert len(bundle.reference.table()) == 3
    assert bundle.cross_fitted is not None
    assert len(bundle.learned_from) == len(bundle.cross_fitted) == 3
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as database:
        tags = dict(database.execute("SELECT key, value FROM tags WHERE key LIKE 'erased%'").fetchall())
    assert "insights.json rewritten" in tags["erased"]
    assert "index.html removed" in tags["erased"]
    assert "cannot be repeated" in tags["erased.data"]


def test_the_version_of_a_model_outlives_what_it_forgets(copy: Path) -> None:
    before = Bundle.load(copy / "data/06_models/champions/topic").version
    project = project_of(copy)
    list(complete(project, prepare(project, subjects(copy), reason="", retrain=False)))
    after = Bundle.load(copy / "data/06_models/champions/topic")
    assert (after.version, after.erased) == (before, 1), "one of them is another clip's, too"


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.erasure.planting import project_of
from cu_pipeline.erasure.erase import complete
from cu_pipeline.erasure.journal import Journal
root = Path(sys.argv[2])
for number, held in enumerate(complete(project_of(root), Journal.read(root)), 1):
    if number == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 14])
def test_killed_half_way_it_lets_nobody_in_and_the_next_call_completes_it(copy: Path, steps: int) -> None:
    wanted, project = fragments(copy), project_of(copy)
    prepare(project, subjects(copy), reason="", retrain=False)
    environment = os.environ | {ROOT_VARIABLE: str(copy)}
    command = [sys.executable, "-c", _KILLED, str(Path(__file__).parents[2]), str(copy), str(steps)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert holding(copy, wanted) != []
    with pytest.raises(RunInProgressError, match="kedro erase --resume"):
        RunLock(copy).acquire()
    journal = Journal.read(copy)
    assert journal is not None
    list(complete(project, journal))
    assert holding(copy, wanted) == []
    lock = RunLock(copy)
    lock.acquire()
    lock.release()


def test_copies_of_others_go_only_when_they_are_asked_for(planted: Path) -> None:
    found = find_subjects(project_of(planted), [], [CREATOR], with_copies=True)
    assert found.identities.clips >= {*IDS, OTHERS[1]}
    assert not found.copies
    assert found.identities.media


def test_the_tombstones_alone_find_what_was_left_somewhere(copy: Path) -> None:
    project = project_of(copy)
    list(complete(project, prepare(project, subjects(copy), reason="", retrain=False)))
    (copy / "data/08_reporting/again.json").write_text(json.dumps({"who": CREATOR}))
    assert [line.split(":")[0] for line in search_stores(project, [], [])] == ["data/08_reporting/again.json"]


def test_artifacts_behind_a_server_are_rewritten_and_tagged(
    copy: Path, tmp_path: Path, tracking_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    away = tmp_path / "away"
    away.mkdir()
    shutil.copy(tracking_database, away / "server.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{away / 'server.db'}")
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    mlflow.create_experiment("cu-pipeline", artifact_location=(away / "artifacts").as_uri())
    mlflow.set_experiment("cu-pipeline")
    with mlflow.start_run() as run:
        mlflow.log_dict({"surest": [{"clip_id": IDS[0]}, {"clip_id": OTHERS[0]}]}, "deep/insights.json")
        mlflow.log_text(f"<p>{CREATOR}</p>", "index.html")
        mlflow.log_artifacts(str(copy / "data/06_models/champions/topic"), "model")
    wanted, project = fragments(copy), project_of(copy)
    list(complete(project, prepare(project, subjects(copy), reason="", retrain=False)))
    assert holding(away, wanted) == []
    folder = away / "artifacts" / run.info.run_id / "artifacts"
    assert json.loads((folder / "deep/insights.json").read_text()) == {"surest": [{"clip_id": OTHERS[0]}]}
    assert not (folder / "index.html").exists()
    assert Bundle.load(folder / "model").learned_from
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert "deep/insights.json rewritten" in tags["erased"]
