import io
import json

import pandas as pd
import pytest

from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.pseudonyms import Pseudonyms
from cu_pipeline.erasure.rewriting import rewritten

WANTED = Identities(
    clips=frozenset({"clip-one", "7"}), creators=frozenset({"bob"}), media=frozenset({"ab" * 32}),
    captions=frozenset({"a caption of his that is long"}),
)  # fmt: skip


def cleaned(value: object, suffix: str = ".json", pseudonyms: Pseudonyms | None = None) -> object:
    done = rewritten(json.dumps(value).encode(), suffix, WANTED, pseudonyms).content
    return done and json.loads(done)


def test_the_innermost_item_of_a_list_goes_and_what_is_around_it_stays() -> None:
    given = {"looks": [{"at": 1, "examples": [{"clip_id": "clip-one", "p": 1}, {"clip_id": "b", "p": 2}]}]}
    assert cleaned(given) == {"looks": [{"at": 1, "examples": [{"clip_id": "b", "p": 2}]}]}


def test_entries_under_a_clips_id_go_and_single_values_become_empty() -> None:
    assert cleaned({"labels": {"clip-one": "x", "7": "y", "b": "z"}, "surest": "clip-one"}) == {
        "labels": {"b": "z"}, "surest": "",
    }  # fmt: skip


def test_a_short_id_counts_in_its_own_fields_alone() -> None:
    given = [{"clip_id": "7", "n": "1"}, {"clip_id": "1", "n": "7"}, {"creator": "bob"}, {"class": "bob"}]
    assert cleaned(given) == [{"clip_id": "1", "n": "7"}, {"class": "bob"}]


def test_what_somebody_else_says_of_a_clip_stays_theirs() -> None:
    given = [{"clip_id": "b", "text": "look at clip-one"}, {"clip_id": "c", "text": "a caption of his that is long"}]
    assert cleaned(given) == given[:1]


def test_a_ledgers_rows_stay_under_one_pseudonym_and_nobody_gets_back() -> None:
    given = {"key": "k-clip-one", "clip_id": "clip-one", "usd": 2.5}
    names = Pseudonyms()
    done = cleaned(given, ".jsonl", names)
    assert done == {"key": names.of("k-clip-one"), "clip_id": names.of("clip-one"), "usd": 2.5}
    assert Pseudonyms().of("clip-one") != names.of("clip-one")


def test_lines_that_cannot_be_read_go_where_they_hold_it() -> None:
    content = b'{"a": 1}\n{"torn": "clip-one\n{"b": 2}\n'
    assert rewritten(content, ".jsonl", WANTED, None).content == b'{"a": 1}\n{"b": 2}\n'


def test_a_table_keeps_its_columns_types_and_other_rows() -> None:
    frame = pd.DataFrame({"clip_id": ["clip-one", "7", "b"], "n": [1, 2, 3], "text": ["", "", "see clip-one"]})
    stream = io.BytesIO()
    frame.to_parquet(stream)
    done = rewritten(stream.getvalue(), "", WANTED, None)
    assert done.count == 2
    assert done.content is not None
    pd.testing.assert_frame_equal(
        pd.read_parquet(io.BytesIO(done.content)).reset_index(drop=True), frame[2:].reset_index(drop=True)
    )


def test_a_csv_keeps_its_other_rows_byte_for_byte() -> None:
    content = b'clip_id,text\nclip-one,x\nb,"two, three"\n'
    assert rewritten(content, ".csv", WANTED, None).content == b'clip_id,text\nb,"two, three"\n'


@pytest.mark.parametrize("said", ["clip-one", "a caption of his that is long"])
def test_a_page_goes_as_a_whole(said: str) -> None:
    assert rewritten(f"<p>{said}</p>".encode(), ".html", WANTED, None).content is None


def test_what_has_nothing_stays_as_it_is() -> None:
    for content, suffix in (
        (b"<p>x</p>", ".html"),
        (b'{ "a":1}', ".json"),
        (b"a,b\r\n1,2\r\n", ".csv"),
        (b"\0\1", ".bin"),
    ):
        assert rewritten(content, suffix, WANTED, None).content == content
