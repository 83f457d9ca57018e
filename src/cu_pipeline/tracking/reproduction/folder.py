"""A folder in which a run's code, data and parameters are brought together."""

import json
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ReproductionError
from cu_pipeline.tracking.facts import ask_git
from cu_pipeline.tracking.parameter_trees import lay_over, look_up, nested
from cu_pipeline.tracking.project_feed import FEED
from cu_pipeline.tracking.reproduction import code_changes, contents
from cu_pipeline.tracking.reproduction.record import RunRecord
from cu_pipeline.tracking.reproduction.runs import Recorded

_MARK: Final = ".reproduction.json"
"""File by which a folder is known as a reproduction's, which may be made anew."""

_RECORDS: Final = ("dvc.yaml", "dvc.lock", "params.yaml", "snapshots.jsonl")
"""Files of a checkout by which its runs are recorded for DVC: a reproduction records nothing there."""

_SHOWN: Final = 5
_CLIPS: Final = "clips.parquet"


def prepare(root: Path, recorded: Recorded, chosen: list[str], folder: Path) -> Path:
    """Bring code, data and parameters of the run together in a folder.

    Args:
        root: the project's folder, of which nothing changes but that DVC's cache may get what the remote has.
        recorded: the run.
        chosen: the pipelines that will run.
        folder: where to; a former reproduction there is removed.

    Returns:
        The project's folder in it.

    Raises:
        ReproductionError: something of it is gone, or the folder holds other things.
    """
    _clear(folder)
    write_text(folder / _MARK, json.dumps({"run": recorded.run_id}) + "\n")
    project = _check_out(root, recorded, folder)
    wanted = _inputs(recorded.record, chosen, project)
    missing = contents.bring(root, project, wanted)
    if missing:
        raise ReproductionError(_told_missing(recorded, missing))
    _write_parameters(root, recorded, project)
    made = {path for name in chosen for path in recorded.record.data.stages[name].writes}
    for path in wanted.keys() - made:  # who makes the table of clips makes or fetches media anew
        if Path(path).name == _CLIPS:
            _link_media(root, project, project / path)
    return project


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).is_file():
            raise ReproductionError(f"{folder} holds other things than a reproduction: give --into an empty folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _check_out(root: Path, recorded: Recorded, folder: Path) -> Path:
    """Check the run's commit out, with the changes that no commit has, in a clone that shares the objects."""
    top = ask_git(root, "rev-parse", "--show-toplevel")
    if top is None or ask_git(root, "cat-file", "-t", recorded.commit) != "commit":
        raise ReproductionError(
            f"this project's git does not know commit {recorded.commit} of run {recorded.run_id}: it is of another "
            "project, or of a colleague's checkout. Remedy: `git fetch` the branch that has it"
        )
    code = folder / ".git"
    for command in (
        ["clone", "--quiet", "--bare", "--shared", top, str(code)],
        ["--git-dir", str(code), "config", "core.bare", "false"],
        ["-C", str(folder), "checkout", "--quiet", "--force", "--detach", recorded.commit],
    ):
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ReproductionError(f"git could not check out {recorded.commit}: {done.stderr.strip()}")
    if recorded.record.patch:
        code_changes.apply(folder, recorded.record.patch)
    project = folder / (ask_git(root, "rev-parse", "--show-prefix") or "")
    for name in _RECORDS:
        (project / name).unlink(missing_ok=True)
    return project


def _inputs(record: RunRecord, chosen: list[str], project: Path) -> dict[str, str]:
    """Gather what the chosen pipelines read and do not make, path -> hash, as far as git has not brought it."""
    some = [record.data.stages[name] for name in chosen]
    made = {path for stage in some for path in stage.writes}
    paid = {path: md5 for stage in some for path, md5 in stage.reads.items() if path in stage.writes}  # asked for once
    read = {path: md5 for stage in some for path, md5 in stage.reads.items() if path not in made}
    earlier = {path: md5 for stage in some for path, md5 in stage.earlier.items() if md5}
    found = {**read, **earlier, **paid}
    return {path: md5 for path, md5 in found.items() if not (project / path).exists()}


def _told_missing(recorded: Recorded, missing: dict[str, str]) -> str:
    shown = [f"  {path} ({md5})" for path, md5 in list(missing.items())[:_SHOWN]]
    shown += [f"  and {len(missing) - _SHOWN} more"] if len(missing) > _SHOWN else []
    return "\n".join(
        [
            f"what run {recorded.run_id} read is neither in DVC's cache nor in its remote:",
            *shown,
            "it was removed (`kedro gc` lets go of runs beyond `retention.runs` and `retention.days`), or never pushed "
            "from where the run was made. Remedy: `dvc push` there, or `kedro reproduce --all`, which starts from the "
            "feed",
        ]
    )


def _write_parameters(root: Path, recorded: Recorded, project: Path) -> None:
    """Let the environment of the run state all of its parameters; a feed in the project is read where it lies."""
    parameters = recorded.record.parameters
    with suppress(KeyError):
        feed = look_up(parameters, FEED)
        places = [feed] if isinstance(feed, str) else feed
        parameters = lay_over(parameters, nested(FEED, [_outside(root, place) for place in places]))
    folder = project / "conf" / recorded.env
    for path in folder.glob("parameters*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_text(folder / "parameters.yml", json.dumps(parameters, indent=2, ensure_ascii=False) + "\n")


def _outside(root: Path, place: str) -> str:
    kind, colon, path = place.rpartition(":")
    return f"{kind}{colon}{root / path}" if path and (root / path).exists() else place


def _link_media(root: Path, project: Path, table: Path) -> None:
    """Let the media of a table of clips be found: they are read where they lie in the project."""
    media = pd.read_parquet(table, columns=["path"])["path"]
    for parent in sorted({Path(one).parent for one in media if one and not Path(one).is_absolute()}):
        if (root / parent).is_dir() and not (project / parent).exists():
            (project / parent).parent.mkdir(parents=True, exist_ok=True)
            (project / parent).symlink_to((root / parent).resolve(), target_is_directory=True)
