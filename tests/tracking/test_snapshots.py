"""Versions of the data in a real git repository with real DVC and a real remote."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from cu_pipeline.core.errors import SnapshotError
from cu_pipeline.core.records import CLIPS, LABELS, REJECTS, table
from cu_pipeline.datasets.tables import CSVTable, ParquetTable
from cu_pipeline.tracking import dvc_lock, snapshots
from cu_pipeline.tracking.snapshot_diff import diff_snapshots, list_snapshots

PATHS = {
    "clips": "data/02_intermediate/clips.parquet",
    "rejects": "data/08_reporting/rejects.csv",
    "labels": "data/05_model_input/labels.parquet",
}
STAGES = {"collect": ("clips", "rejects"), "label": ("labels",)}
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.com")

FIRST = {"clips": {"a": "train", "b": "train", "c": "test"}, "labels": {"a": "cats", "b": "cats", "c": "dogs"}}
SECOND = {"clips": {"b": "test", "c": "test", "d": "train"}, "labels": {"b": "dogs", "d": "cats"}}


@dataclass
class Project:
    root: Path
    environment: dict[str, str]

    def write(self, clips: dict[str, str], labels: dict[str, str]) -> None:
        blank = {name: "" for name, column in CLIPS.items() if column.kind == "str"}
        facts = {"has_audio": False, "bytes": 0}
        rows = [{**blank, **facts, "clip_id": clip, "split": split} for clip, split in clips.items()]
        if "d" in clips:
            rows[1]["text_sha256"] = "another caption"
        blank = {"capability": "topic", "annotators": 1, "certified": False}
        given = [{**blank, "clip_id": clip, "label": label} for clip, label in labels.items()]
        refused = [{"clip_id": "x", "path": "x.mp4", "reason": "missing", "detail": ""}]
        ParquetTable(filepath=str(self.root / PATHS["clips"])).save(table(rows, CLIPS))
        ParquetTable(filepath=str(self.root / PATHS["labels"])).save(table(given, LABELS))
        CSVTable(filepath=str(self.root / PATHS["rejects"])).save(table(refused, REJECTS))

    def record(self, run: str) -> snapshots.Snapshot | None:
        assert dvc_lock.commit(self.root, STAGES)
        return snapshots.record(self.root, PATHS, run)

    def tables(self) -> dict[str, bytes]:
        return {name: (self.root / path).read_bytes() for name, path in PATHS.items()}

    def shell(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def save(self, message: str) -> None:
        self.shell("git", "add", "-A")
        self.shell("git", *IDENTITY, "commit", "-q", "-m", message)

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.root, folder)
        return Project(folder, self.environment)


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, project_root: Path, project_environment: dict[str, str]
) -> tuple[Project, list[dict[str, bytes]]]:
    """Give a project with two committed and pushed versions, and the tables of both."""
    root = tmp_path_factory.mktemp("versions") / "project"
    (root / ".dvc").mkdir(parents=True)
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        shutil.copy(project_root / name, root / name)
    stages = {name: {"cmd": "exit 1", "outs": [PATHS[one] for one in outs]} for name, outs in STAGES.items()}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    project = Project(root, project_environment | {"DVC_NO_ANALYTICS": "1"})
    project.shell("git", "init", "-q", "-b", "main")
    project.save("start")
    tables = []
    for number, version in enumerate((FIRST, SECOND), 1):
        project.write(**version)
        assert project.record(f"run{number}") is not None
        tables.append(project.tables())
        project.save(f"version {number}")
        project.shell("dvc", "push", "--quiet")
    return project, tables


@pytest.fixture
def project(recorded: tuple[Project, list[dict[str, bytes]]], tmp_path: Path) -> Project:
    return recorded[0].copy(tmp_path / "project")


@pytest.mark.slow
def test_an_old_revision_and_its_tables_come_back_byte_for_byte(
    project: Project, recorded: tuple[Project, list[dict[str, bytes]]]
) -> None:
    first, second = recorded[1]
    assert first != second
    assert project.tables() == second
    project.shell("git", "checkout", "-q", "HEAD~1")
    project.shell("dvc", "checkout", "--quiet")
    assert project.tables() == first
    shutil.rmtree(project.root / ".dvc" / "cache")
    project.shell("git", "checkout", "-q", "main")
    project.shell("dvc", "pull", "--quiet", "--force")  # what is in no cache is not overwritten without force
    assert project.tables() == second


@pytest.mark.slow
def test_a_clone_gets_an_old_revision_from_the_remote(
    recorded: tuple[Project, list[dict[str, bytes]]], tmp_path: Path
) -> None:
    project, (first, _) = recorded
    project.shell("git", "clone", "-q", str(project.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", project.environment)
    clone.shell("git", "checkout", "-q", "HEAD~1")
    clone.shell("dvc", "remote", "modify", "--local", "local", "url", str(project.root / "data" / ".dvc-remote"))
    clone.shell("dvc", "pull", "--quiet")
    assert clone.tables() == first
    assert clone.shell("git", "status", "--porcelain") == ""


def test_versions_are_listed_newest_first_with_counts(project: Project) -> None:
    head, newest, oldest = list_snapshots(project.root, PATHS).splitlines()
    assert head == "id            when (UTC)        clips  train  validation  test  labels  rejects  git      run"
    assert newest.split()[3:9] == ["3", "1", "0", "2", "2", "1"]
    assert oldest.split()[3:9] == ["3", "2", "0", "1", "3", "1"]
    assert (newest.split()[-1], oldest.split()[-1]) == ("run2", "run1")
    listed = json.loads(list_snapshots(project.root, PATHS, as_json=True))
    assert [one["id"] for one in listed] == [oldest.split()[0], newest.split()[0]]


@pytest.mark.parametrize("names", ["latest~1 latest", "ids", "HEAD~1 HEAD", "main~1 latest"])
def test_a_diff_shows_what_changed_whatever_the_versions_are_called(project: Project, names: str) -> None:
    ids = [one.id for one in snapshots.read(project.root)]
    old, new = [one[:6] for one in ids] if names == "ids" else names.split()
    assert json.loads(diff_snapshots(project.root, PATHS, old, new, as_json=True)) == {
        "old": ids[0],
        "new": ids[1],
        "added": [{"clip_id": "d", "split": "train"}],
        "removed": [{"clip_id": "a", "split": "train"}],
        "edited": [{"clip_id": "c"}],
        "moved": [{"clip_id": "b", "from": "train", "to": "test"}],
        "relabelled": [{"clip_id": "b", "capability": "topic", "from": "cats", "to": "dogs"}],
        "labelled": [],
        "unlabelled": [{"clip_id": "c", "capability": "topic", "label": "dogs"}],
    }


def test_a_diff_for_people_counts_and_names_the_first(project: Project) -> None:
    lines = diff_snapshots(project.root, PATHS, "latest~1", "latest").splitlines()
    assert lines[1:3] == ["clips added: 1", "    d  train"]
    assert lines[10:13] == ["labels changed: 1", "  cats → dogs: 1", "    b  topic  cats → dogs"]
    assert "    d  train" not in diff_snapshots(project.root, PATHS, "latest~1", "latest", shown=0)


def test_the_same_data_makes_no_second_version_but_data_that_comes_back_does(project: Project) -> None:
    first, second = snapshots.read(project.root)
    assert snapshots.record(project.root, PATHS, "run3") is None
    project.write(**FIRST)
    back = project.record("run4")
    assert back is not None
    assert back.id == first.id
    assert [one.id for one in snapshots.read(project.root)] == [first.id, second.id, first.id]


def test_a_version_that_another_program_made_is_listed_too(project: Project) -> None:
    project.write(**FIRST)
    project.shell("dvc", "commit", "--quiet", "--force")
    assert len(list_snapshots(project.root, PATHS).splitlines()) == 4
    assert len(snapshots.read(project.root)) == 2


def test_names_that_mean_nothing_are_answered_with_what_is_allowed(project: Project) -> None:
    for name, message in {
        "nope": "no snapshot or git revision is named 'nope'.*kedro snapshots.*Allowed",
        "latest~7": "only 2 snapshots.*Oldest: 'latest~1'",
        "main~2": "git revision 'main~2' has no dvc.lock",
        "--help": "no snapshot or git revision is named '--help'",
    }.items():
        with pytest.raises(SnapshotError, match=message):
            diff_snapshots(project.root, PATHS, name, "latest")


def test_a_table_that_is_gone_is_told_with_the_remedy_and_still_listed(project: Project) -> None:
    shutil.rmtree(project.root / ".dvc" / "cache")
    assert len(list_snapshots(project.root, PATHS).splitlines()) == 3
    with pytest.raises(SnapshotError, match=r"table 'clips' with MD5 \w{32} is no longer.*dvc pull"):
        diff_snapshots(project.root, PATHS, "latest~1", "latest")


def test_a_line_that_a_crash_left_unfinished_does_not_count_and_a_damaged_one_is_named(project: Project) -> None:
    path = project.root / snapshots.FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    assert len(snapshots.read(project.root)) == 2
    path.write_bytes(b"<<<<<<< HEAD\n" + whole)
    with pytest.raises(SnapshotError, match="line 1 is damaged"):
        snapshots.read(project.root)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_half_written_dvc_lock_is_restored(project: Project, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()
    (project.root / ".dvc" / "tmp" / "rwlock").write_text('{"read": {"a')

    def killed(*_: object, **__: object) -> None:
        lock.write_bytes(whole[: int(len(whole) * share)])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("subprocess.run", killed)
        with pytest.raises(KeyboardInterrupt):
            dvc_lock.commit(project.root, STAGES)
    dvc_lock.repair(project.root)
    assert lock.read_bytes() == whole
    assert not (project.root / ".dvc" / "tmp" / "rwlock").exists()


def test_a_lock_that_changed_since_is_not_put_back(project: Project) -> None:
    lock, before = project.root / "dvc.lock", project.root / ".dvc" / "tmp" / "dvc.lock.before"
    newer = lock.read_text() + "# newer\n"
    before.write_text(lock.read_text())
    lock.write_text(newer)
    dvc_lock.repair(project.root)
    assert lock.read_text() == newer
    assert not before.exists()


def test_a_project_without_clips_has_no_version(tmp_path: Path) -> None:
    assert snapshots.record(tmp_path, PATHS) is None
    assert "No snapshot yet" in list_snapshots(tmp_path, PATHS)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert snapshots.record(tmp_path, PATHS) is None
