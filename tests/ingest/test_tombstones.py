from pathlib import Path

import pandas as pd
import pytest

from cu_pipeline.core.capability import Capabilities, Capability
from cu_pipeline.core.errors import Reason, StoreError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.rows import rows_of
from cu_pipeline.ingest.admission import admit_rows, check_rows, place
from cu_pipeline.ingest.options import LanguageOptions
from cu_pipeline.ingest.probing import Probed, ProbeLog, forget_refusals, without_facts
from cu_pipeline.ingest.tombstones import bury, drop_copies, lift, read_tombstones, without_erased
from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import MediaFacts

AT = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "erased.jsonl"
    bury(
        path, clips=["walk-1"], creators=["Ann  Lee"], contents=[text_sha256("said before")], at=AT, reason="asked for"
    )
    return path


def feed(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns).assign(_problem="", _source="manifest")


def test_the_file_tells_no_name(path: Path) -> None:
    text = path.read_text()
    assert "Ann" not in text
    assert "walk-1" not in [word.strip('":, ') for word in text.split()]
    assert text_sha256("said before") not in text


def test_rows_of_what_was_erased_are_refused_and_tell_nothing(path: Path) -> None:
    rows = feed(
        clip_id=["walk-1", "swim-2", "c3"],
        creator=["x", "Ann Lee", "y"],
        text=["one", "two", "three"],
        path=["", "", ""],
    )
    left = without_erased(rows, read_tombstones(path))
    rows, rejects = place(rows_of(left), {})
    placed = rows.frame()
    assert placed["clip_id"].tolist() == ["c3"]
    assert rejects["reason"].tolist() == ["erased"] * 2
    assert rejects["clip_id"].str.startswith("erased-").all()
    assert rejects["clip_id"].is_unique
    told = left.iloc[:2].to_csv()
    assert not any(word in told for word in ("walk-1", "swim-2", "Ann", "one", "two"))


def test_a_feed_without_any_of_it_stays_the_same_table(path: Path) -> None:
    rows = feed(clip_id=["c3"], creator=["y"], text=["three"], path=[""])
    assert without_erased(rows, read_tombstones(path)) is rows
    assert without_erased(rows, read_tombstones(path.with_name("none.jsonl"))) is rows


def test_its_content_is_refused_under_another_name(path: Path) -> None:
    rows = [{"clip_id": name, "path": "", "text": text} for name, text in (("n1", "said before"), ("n2", "new"))]
    feed = rows_of(pd.DataFrame(rows))
    checked, _ = check_rows(feed, Capabilities({"topic": Capability()}), Limits(), LanguageOptions(enabled=False))
    admitted, refused = admit_rows(checked, {}, read_tombstones(path))
    assert admitted.frame()["clip_id"].tolist() == ["n2"]
    assert refused["reason"].tolist() == ["erased"]


def test_lifted_it_may_come_again_with_all_of_its_erasure_and_others_may_not(path: Path) -> None:
    bury(path, clips=["z9"], creators=[], contents=[], at="2027-01-01T00:00:00+00:00", reason="")
    assert lift(path, creators=["Ann Lee"]) == 3
    left = read_tombstones(path)
    assert not left.names("b2", "Ann Lee")
    assert not left.knows("content", text_sha256("said before"))
    assert left.names("z9", "")
    assert lift(path, creators=["Ann Lee"]) == 0


def test_a_lifted_clip_of_an_erased_creator_is_still_refused(path: Path) -> None:
    assert lift(path, clips=["walk-1"]) == 2
    assert read_tombstones(path).names("walk-1", "Ann Lee")


def test_of_an_erased_content_probing_keeps_no_hash_until_it_is_lifted(path: Path, tmp_path: Path) -> None:
    facts = MediaFacts(
        1.0, 64, 48, 4.0, "h264", has_audio=False, bytes=9, sha256=text_sha256("said before"), rotation=0
    )
    log = tmp_path / "probes.jsonl"
    ProbeLog(log).append([without_facts(Probed("k", facts), read_tombstones(path)), Probed("l")])
    assert facts.sha256 not in log.read_text()
    assert ProbeLog(log).read()["k"].reason is Reason.ERASED
    forget_refusals(log)
    assert set(ProbeLog(log).read()) == {"l"}


def test_what_is_buried_twice_has_one_tombstone_and_one_salt(path: Path) -> None:
    before = path.read_bytes()
    bury(path, clips=["walk-1"], creators=[], contents=[], at=AT, reason="again")
    assert path.read_bytes() == before
    bury(path, clips=["a2"], creators=[], contents=[], at=AT, reason="")
    assert len({one.salt for one in read_tombstones(path).entries}) == 1


def test_a_damaged_file_is_told(path: Path) -> None:
    path.write_text("nothing\n")
    with pytest.raises(StoreError, match="is damaged"):
        read_tombstones(path)


def test_copies_of_refused_rows_go_from_the_projects_own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    for name in ("own/gone.mp4", "own/shared.mp4", "theirs/gone.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert drop_copies({"own/gone.mp4", "theirs/gone.mp4", "own/absent.mp4", "https://own/gone.mp4"}, ["own"]) == 1
    assert not (tmp_path / "own/gone.mp4").exists()
    assert (tmp_path / "theirs/gone.mp4").exists()
