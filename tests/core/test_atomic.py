import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cu_pipeline.core.atomic import atomic_path, remove_strays, write_text

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

CLEANER = """
import sys
from pathlib import Path
from cu_pipeline.core.atomic import remove_strays
print(remove_strays(Path(sys.argv[1])))
"""

FULL_DISK = """
import resource
from pathlib import Path
from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.json_lines import append_lines
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
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


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(tmp_path / "table.csv")], check=False)
    (tmp_path / ".table.csv.tmp").touch()
    assert len(list(tmp_path.iterdir())) == 2
    assert remove_strays(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".table.csv.tmp"]
    assert remove_strays(tmp_path / "absent") == 0


def test_what_a_living_process_writes_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert remove_strays(tmp_path) == 0
        done = subprocess.run(
            [sys.executable, "-c", CLEANER, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert done.stdout == "0\n"
    assert target.read_text() == "new"


@pytest.mark.parametrize(
    "writer", ["write_text(Path('table'), 'x' * 9999)", "append_lines(Path('table'), ['x' * 9999])"]
)
def test_a_full_disk_is_told_with_the_file_and_keeps_what_was_there(tmp_path: Path, writer: str) -> None:
    (tmp_path / "table").write_text("old\n")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK + writer], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "NoSpaceError: no space left to write table (File too large)" in done.stderr
    assert (tmp_path / "table").read_text().startswith("old\n")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


@pytest.mark.parametrize("limit", [20, 200])
@pytest.mark.parametrize("library", ["safetensors", "torch"])
def test_a_full_disk_is_told_whatever_writes(tmp_path, library, limit):
    writes = {
        "safetensors": "import numpy, safetensors.numpy as st; st.save_file({'a': numpy.zeros(200000)}, path)",
        "torch": "import torch; torch.save({'a': torch.zeros(200000)}, path)",
    }
    code = (
        "import resource, signal\nfrom pathlib import Path\nfrom cu_pipeline.core.atomic import atomic_path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit} * 1024,) * 2)\n"
        f"with atomic_path(Path('table')) as path:\n    {writes[library]}"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "NoSpaceError: no space left to write table" in done.stderr
    assert not list(tmp_path.iterdir())
