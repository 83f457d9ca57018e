"""Runs of the collect pipeline that are killed at any moment; the next run completes what they left."""

import csv
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

TABLES = (
    "01_raw/manifest.parquet",
    "02_intermediate/clips.parquet",
    "02_intermediate/feed_annotations.parquet",
    "02_intermediate/duplicates.parquet",
    "02_intermediate/splits.parquet",
    "08_reporting/rejects.csv",
    "08_reporting/leakage.json",
)
POINTS = 20
Tables = dict[str, bytes | None]


def film(path: Path, seed: int, size: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 255, (2, 5, 4, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height = 4 * size, 5 * size
        for share in np.linspace(0, 1, 8):
            mixed = (1 - share) * picture[0] + share * picture[1]
            image = np.kron(mixed, np.ones((size, size, 1))).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))


class Lab:
    """A folder with a feed that grows from `small.csv` to `large.csv`, and runs of collect in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, root / "data"
        media = root / "media"
        media.mkdir()
        for number in range(12):
            film(media / f"{number}.mp4", seed=number % 10, size=16 if number < 10 else 20)  # the last two are copies
        (media / "12.mp4").write_bytes((media / "0.mp4").read_bytes()[:300])
        videos = [self._row(number, path=f"media/{number}.mp4") for number in range(13)]
        texts = [self._row(number, path="") for number in range(13, 20)]
        self._feed("large.csv", [*videos, *texts])
        self._feed("small.csv", [*videos[:8], *texts[:3], videos[12]])
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("crash_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, feed: str, **request: Any) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps({"root": str(self.root), "feed": feed, **request}), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())

    def complete(self, feed: str) -> dict[str, Any]:
        done = self.run(feed)
        assert "error" not in done, done["error"]
        return done

    def start_with(self, saved: Path | None) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        if saved:
            shutil.copytree(saved, self.data)

    def tables(self) -> Tables:
        files = {name: self.data / name for name in TABLES}
        return {name: path.read_bytes() if path.exists() else None for name, path in files.items()}

    def torn(self, before: Tables, after: Tables) -> set[str]:
        """Give the tables that are neither the old nor the new ones."""
        return {name for name, content in self.tables().items() if content not in {before[name], after[name]}}

    def close(self) -> None:
        self._server.communicate()

    def _row(self, number: int, path: str) -> dict[str, str]:
        row = {"clip_id": f"c{number}", "path": path, "text": f"caption {number}", "creator": f"creator {number % 7}"}
        return row | {"lang": "en", "label": "cats", "annotations": '{"ann": "dogs", "ben": "cats"}'}

    def _feed(self, name: str, rows: list[dict[str, str]]) -> None:
        with (self.root / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


class Course:
    """What a run on the large feed does when nothing disturbs it.

    Attributes:
        saved: copy of the data before it.
        before: the tables before it.
        after: the tables after it.
        operations: how often it touches a file.
    """

    def __init__(self, lab: Lab, saved: Path | None) -> None:
        self.saved = saved
        lab.start_with(saved)
        self.before = lab.tables()
        done = lab.complete("large.csv")
        self.after, self.operations = lab.tables(), done["operations"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("crash"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def courses(lab: Lab) -> dict[str, Course]:
    """Give the course of a first run, and of a run on a feed that has grown."""
    lab.start_with(None)
    lab.complete("small.csv")
    saved = lab.data.rename(lab.root / "saved")
    return {"first": Course(lab, None), "grown": Course(lab, saved)}


@pytest.mark.parametrize("point", range(POINTS))
def test_after_kill_9_the_next_run_completes_the_same_bytes(lab: Lab, courses: dict[str, Course], point: int) -> None:
    chance = random.Random(point)
    course = courses["grown" if point % 2 else "first"]
    lab.start_with(course.saved)
    operation = 1 + int((point + chance.random()) / POINTS * course.operations)
    killed = lab.run("large.csv", kill_at=operation, after_s=chance.choice([0, chance.uniform(1e-5, 5e-3)]))
    assert killed == {"killed": True}
    assert not lab.torn(course.before, course.after)
    lab.complete("large.csv")
    assert lab.tables() == course.after
    assert not list(lab.data.rglob("*.tmp"))


def test_a_run_does_not_repeat_the_work_of_one_that_was_killed(lab: Lab, courses: dict[str, Course]) -> None:
    lab.start_with(None)
    assert lab.run("large.csv", kill_at=["os.rename", "clips.parquet"]) == {"killed": True}
    assert [path.name.split(".")[1] for path in lab.data.rglob(".*.tmp")] == ["clips"]
    counts = lab.complete("large.csv")["counts"]
    assert (counts["clips_probed"], counts["clips_hashed"]) == (0, 0)
    assert lab.tables() == courses["first"].after


@pytest.mark.parametrize("file_bytes", [900, 9000])
def test_a_full_disk_stops_the_run_in_words_and_the_next_run_completes(
    lab: Lab, courses: dict[str, Course], file_bytes: int
) -> None:
    course = courses["grown"]
    lab.start_with(course.saved)
    stopped = lab.run("large.csv", file_bytes=file_bytes)
    assert re.search(rf"NoSpaceError: no space left to write {lab.data}/\S+ \(File too large\)", stopped["error"])
    assert not lab.torn(course.before, course.after)
    assert not list(lab.data.rglob("*.tmp"))
    lab.complete("large.csv")
    assert lab.tables() == course.after


def test_a_table_written_in_place_would_be_noticed(lab: Lab, courses: dict[str, Course]) -> None:
    course = courses["grown"]
    lab.start_with(course.saved)
    killed = lab.run("large.csv", kill_at=["os.chmod", "splits.parquet"], careless=True)
    assert killed == {"killed": True}
    assert lab.torn(course.before, course.after) == {"02_intermediate/splits.parquet"}
    assert "error" in lab.run("large.csv")
