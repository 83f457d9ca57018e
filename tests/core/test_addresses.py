from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.addresses import has_password, hide_passwords, join_address, local_path, suffix_of


@given(st.text())
def test_any_path_of_a_manifest_is_joined(path):
    for folder in ("https://host/feeds", "s3://bucket/feeds", "memory://feeds"):
        assert join_address(folder, path).startswith(folder.rpartition("/")[0])
    assert "://" not in local_path(f"file://{path}") or "://" in path
    suffix_of(f"https://host/{path}")


def test_paths_start_at_the_folder_or_at_the_host():
    assert join_address("https://host:8000/feeds/new", "../a:b.mp4?x=1") == "https://host:8000/feeds/a%3Ab.mp4?x=1"
    assert join_address("https://host/feeds", "//other/a.mp4") == "https://host/other/a.mp4"
    assert join_address("s3://bucket/feeds", "/clips/a b.mp4") == "s3://bucket/clips/a b.mp4"
    assert join_address("s3://bucket/feeds", "../../../other/a.mp4") == "s3://bucket/other/a.mp4"


@given(st.text(st.characters(exclude_characters="@/: \t\n", categories=["L", "N", "P"]), min_size=1, max_size=20))
def test_passwords_are_found_and_hidden(password):
    text = f"read postgresql://me:{password}@host:5432/db?a=b"
    if not (password[:1] == "{" and password[-1:] == "}"):
        assert has_password(text)
        assert hide_passwords(text) == "read postgresql://me:***@host:5432/db?a=b"


def test_a_port_is_no_password():
    assert not has_password("http://host:8000/a@b.csv")
    assert has_password("http://me:pass/word@host/a.csv")
