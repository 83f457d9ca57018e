import unicodedata

import pytest

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.ingest.file_names import FileNames

COMPOSED = unicodedata.normalize("NFC", "Ünïcode é 한글.mp4")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


@pytest.mark.parametrize(("on_disk", "in_feed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_the_unicode_form_of_files_and_folders_does_not_matter(root, on_disk, in_feed):
    fill(root, f"clips/{on_disk}/{on_disk}")
    assert FileNames().find(f"clips/{in_feed}/{in_feed}") == f"clips/{on_disk}/{on_disk}"
    outside = FileNames().find(f"{root}/clips/{in_feed}/{in_feed}")
    assert outside == f"clips/{on_disk}/{on_disk}"


def test_backslashes_stand_between_folders_unless_they_are_part_of_a_name(root):
    fill(root, f"feeds/clips/{DECOMPOSED}", "feeds/a.mp4", "feeds/clips\\b.mp4", "feeds/clips/b.mp4")
    names = FileNames()
    assert names.find(f"feeds/clips\\{COMPOSED}") == f"feeds/clips/{DECOMPOSED}"
    assert names.find("feeds/clips\\..\\a.mp4") == "feeds/a.mp4"
    assert names.find("feeds/clips\\b.mp4") == "feeds/clips\\b.mp4"


def test_a_name_in_other_case_is_refused_and_the_near_one_named(root):
    fill(root, "Clips/A.MP4")
    if (root / "clips").exists():
        pytest.skip("this disk does not tell capital letters from small ones")
    for wanted in ("clips/a.mp4", "Clips\\a.MP4"):
        with pytest.raises(BadClipError, match=r"'Clips/A\.MP4' is there") as error:
            FileNames().find(wanted)
        assert error.value.reason is Reason.MISSING


def test_two_files_that_differ_in_case_are_two(root):
    fill(root, f"c/{DECOMPOSED}", f"c/{DECOMPOSED.upper()}")
    assert FileNames().find(f"c/{COMPOSED}") == f"c/{DECOMPOSED}"
    assert FileNames().find(f"c/{COMPOSED.upper()}") == f"c/{DECOMPOSED.upper()}"


@pytest.mark.parametrize("wanted", ["absent.mp4", "no/folder/a.mp4", "C:\\clips\\a.mp4", "a\0b.mp4", "x" * 5000])
def test_what_is_not_there_is_missing(root, wanted):
    fill(root, "a.mp4")
    with pytest.raises(BadClipError, match=r"there is no such file$"):
        FileNames().find(wanted)
