import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cu_pipeline.core.atomic import atomic_path, write_text

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from cu_pipeline.core.atomic import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    with temporary.open("w") as stream:
        stream.write("new" * 100_000)
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("before", [None, "old"])
def test_a_writer_killed_half_way_leaves_what_was_there(tmp_path: Path, before: str | None) -> None:
    target = tmp_path / "table.csv"
    if before is not None:
        target.write_text(before)
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (target.read_text() if target.exists() else None) == before


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("new")
        raise RuntimeError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert target.read_text() == "old"


def test_the_folder_is_made_and_the_file_is_readable_by_others(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    write_text(target, "ü")
    assert target.read_text(encoding="utf-8") == "ü"
    assert target.stat().st_mode & 0o777 == 0o644


def test_bytes_are_on_the_disk_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    target = tmp_path / "table.csv"
    replace = Path.replace
    monkeypatch.setattr("cu_pipeline.core.atomic.os.fsync", lambda _: events.append("sync"))
    monkeypatch.setattr(Path, "replace", lambda self, to: (events.append("rename"), replace(self, to))[1])
    write_text(target, "x")
    assert events == ["sync", "rename", "sync"]
