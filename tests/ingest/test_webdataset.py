import io
import json
import logging
import tarfile

import pytest

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.rows import rows_of
from cu_pipeline.ingest.admission import place
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.media.options import Limits

LIMITS = Limits(max_bytes=1000)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


def shard(path, members, mode="w"):
    """Write a tar file; a member is bytes, or a header for what is no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                tar.addfile(member)
    return path


def read(place):
    counters.reset()
    return read_feeds([f"webdataset:{place}"], LIMITS).frame()


def facts(rows, *columns):
    return rows[list(columns)].to_numpy().tolist()


def test_files_with_one_stem_are_one_clip(root):
    members = [
        ("run/0.mp4", b"film"),
        ("run/0.json", json.dumps({"creator": "me", "text": "from json", "views": 7, "path": "/etc/passwd"}).encode()),
        ("run/0.txt", "grüße 🎬".encode()),
        ("run/0.cls", b"3\n"),
        ("1.wide.MP4", b"other"),
        ("2.txt", b"no film"),
        ("3.json", b'{"clip_id": "named", "text": "x"}'),
    ]
    shard(root / "s/a-0.tar", members)
    rows = read("s/a-0.tar")
    assert facts(rows, "clip_id", "text", "label", "creator", "views") == [
        ["a-0/run/0", "grüße 🎬", "3", "me", "7"],
        ["a-0/1", "", "", "", ""],
        ["a-0/2", "no film", "", "", ""],
        ["named", "x", "", "", ""],
    ]
    assert [(root / path).read_bytes() if path else b"" for path in rows["path"]] == [b"film", b"other", b"", b""]
    assert rows["path"][0].startswith("data/01_raw/media/")
    assert (rows["_problem"] == "").all()


def test_lists_of_labels_and_facts_of_exactly_the_limit_are_read(root):
    facts = json.dumps({"text": "x", "label_safety": ["advert", "violence"], "Creator": "me"}).encode()
    full, over = facts.ljust(2**20), facts.ljust(2**20 + 1)
    shard(root / "s.tar", [("0.json", full), ("1.json", over), ("2.mp4", bytes(1000)), ("3.mp4", bytes(1001))])
    rows = read("s.tar")
    assert rows[["label_safety", "creator"]].to_numpy().tolist()[0] == ['["advert", "violence"]', "me"]
    assert (rows["_problem"] != "").tolist() == [False, True, False, True]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_compressed_shards_are_read(root, mode):
    shard(root / f"a.tar.{mode[2:]}", [("0.mp4", b"x")], mode)
    assert read(f"a.tar.{mode[2:]}")["clip_id"].tolist() == ["a/0"]


def test_patterns_and_folders_name_shards(root):
    for name in ("s/train/x-008", "s/train/x-009", "s/train/x-010", "s/test/y"):
        shard(root / f"{name}.tar", [("0.mp4", name.encode())])
    (root / "s/readme.md").write_text("x")
    assert read("s/train/x-{008..010}.tar")["clip_id"].tolist() == ["x-008/0", "x-009/0", "x-010/0"]
    assert read("s/{train,test}/*.tar")["clip_id"].tolist() == ["y/0", "x-008/0", "x-009/0", "x-010/0"]
    assert read("s/*/x-*")["clip_id"].tolist() == ["train/x-008/0", "train/x-009/0", "train/x-010/0"]
    expected = ["test/y/0", "train/x-008/0", "train/x-009/0", "train/x-010/0"]
    assert read(root / "s")["clip_id"].tolist() == expected
    assert read((root / "s").as_uri())["clip_id"].tolist() == expected


def test_shards_in_linked_folders_are_read(root):
    shard(root / "s/a.tar", [("0.mp4", b"film")])
    shard(root / "store/deep/b.tar", [("1.mp4", b"other")])
    (root / "s/linked").symlink_to("../store")
    (root / "s/round").symlink_to(".")
    assert read("s")["clip_id"].tolist() == ["a/0", "linked/deep/b/1"]


def test_a_shard_is_unpacked_once_while_it_stays_the_same(root):
    shard(root / "a.tar", [("0.mp4", b"x"), ("1.mp4", b"y")])
    first = read("a.tar")
    assert counters.counts()["media_extracted"] == 2
    assert read("a.tar").equals(first)
    assert counters.counts()["media_extracted"] == 0
    (root / first["path"][0]).unlink()
    assert read("a.tar").equals(first)
    assert (root / first["path"][0]).read_bytes() == b"x"
    shard(root / "a.tar", [("0.mp4", b"x"), ("1.mp4", b"y"), ("2.mp4", b"z")])
    assert len(read("a.tar")) == 3


def test_members_that_reach_out_or_are_no_files_are_refused(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.mp4").write_bytes(b"secret")
    members = [
        ("../../evil.mp4", b"evil"),
        (f"{outside}/evil.mp4", b"evil"),
        ("link.mp4", (tarfile.SYMTYPE, f"{outside}/secret.mp4")),
        ("hard.mp4", (tarfile.LNKTYPE, f"{outside}/secret.mp4")),
        ("pipe.mp4", (tarfile.FIFOTYPE, "")),
        ("large.mp4", bytes(1001)),
        ("twice.mp4", b"1"),
        ("twice.webm", b"2"),
        ("odd.json", b"[1]"),
        ("latin.txt", b"\xe9t\xe9"),
        ("folder.mp4", (tarfile.DIRTYPE, "")),
        ("good.mp4", b"good"),
    ]
    shard(root / "a.tar", members)
    rows, rejects = place(rows_of(read("a.tar")), {})
    kept = rows.frame()
    assert kept["clip_id"].tolist() == ["a/good"]
    assert facts(rejects, "clip_id", "reason") == [
        ["a/../../evil", "bad_row"],
        [f"a/{outside}/evil", "bad_row"],
        ["a/link", "bad_row"],
        ["a/hard", "bad_row"],
        ["a/pipe", "bad_row"],
        ["a/large", "too_large"],
        ["a/twice", "bad_row"],
        ["a/odd", "bad_row"],
        ["a/latin", "bad_row"],
    ]
    assert rejects["detail"].str.len().min() > 10
    assert not list(root.parent.rglob("evil*"))
    assert [path.name for path in outside.iterdir()] == ["secret.mp4"]


def test_other_members_are_left_out_and_told(root, caplog):
    shard(root / "a.tar", [("0.mp4", b"x"), ("0.npy", b"x"), ("__notes__", b"x")])
    with caplog.at_level(logging.WARNING):
        assert len(read("a.tar")) == 1
    assert "2 members are left out" in caplog.text


DAMAGES = {
    "no byte": lambda content: b"",
    "no tar file": lambda content: b"x" * 2000,
    "cut in a member": lambda content: content[:700],
    "cut between members": lambda content: content[:1024],
    "cut in a header": lambda content: content[:1100],
    "a header overwritten": lambda content: content[:1024] + b"x" * 512 + content[1536:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_stops_the_run_and_is_named(root, damage):
    path = shard(root / "a.tar", [("0.mp4", b"x" * 300), ("1.mp4", b"y" * 300)])
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ManifestError, match=r"a\.tar' is damaged"):
        read("a.tar")
    assert not list((root / "data/01_raw/media").glob("extracted/*"))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("absent.tar", "no such tar file"),
        ("absent-*.tar", "no such tar file"),
        ("none", "no such tar file"),
        ("empty.tar", "holds no clip.*Remedy"),
        ("odd://a.tar", "cannot be read"),
    ],
)
def test_a_pattern_without_clips_names_the_remedy(root, place, message):
    (root / "none").mkdir()
    shard(root / "empty.tar", [])
    with pytest.raises(ManifestError, match=message):
        read(place)


def test_shards_behind_a_web_server_are_read(root, web):
    shard(web.folder / "a.tar", [("0.mp4", b"x")])
    assert read(f"{web.address}/tagged/a.tar")["clip_id"].tolist() == ["a/0"]
    read(f"{web.address}/tagged/a.tar")
    assert counters.counts()["media_extracted"] == 0
    with pytest.raises(ManifestError, match="no such tar file"):
        read(f"{web.address}/tagged/b.tar")


def test_without_a_terminal_lines_tell_how_many_shards_are_read(root, caplog, eager_progress):
    for number in range(3):
        shard(root / f"s/{number}.tar", [("0.mp4", b"film"), ("0.txt", b"a stew")])
    caplog.set_level(logging.INFO)
    assert len(read("s")) == 3
    told = [line for line in caplog.messages if line.startswith("reading shards: ")]
    assert [line.split(" shards, ")[0] for line in told[-3:]] == [f"reading shards: {n} of 3" for n in (1, 2, 3)]
