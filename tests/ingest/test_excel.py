"""Tables as spreadsheets and scripts save them."""

import io

import pandas as pd
import pytest

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.rows import rows_of
from cu_pipeline.ingest.columns import capability_columns
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.media.options import Limits


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


def read(root, content, name="excel.csv"):
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_feeds([name], Limits()).frame()


def rows(frame):
    return frame.drop(columns=["_source", "path"]).to_dict("records")


EXPECTED = [{"text": "grüße, 1", "label": "pets", "_problem": ""}, {"text": "zwei", "label": "", "_problem": ""}]


@pytest.mark.parametrize(
    "content",
    [
        'text,label,,\r\n"grüße, 1",pets,,\r\nzwei,,,\r\n',
        'text,label\r\n"grüße, 1",pets,,,\r\nzwei,,\r\n',
        "sep=;\r\ntext;label\r\ngrüße, 1;pets\r\nzwei;\r\n",
        '"sep=;"\r\ntext;label;\r\ngrüße, 1;pets;\r\nzwei;;\r\n',
        '\ufeffSEP=\t\r\ntext\tlabel\r\n"grüße, 1"\tpets\r\nzwei\t\r\n',
        "TEXT; Label \r\ngrüße, 1;pets\r\nzwei;\r\n",
        '\r\n\u200bText\u00a0,LABEL\r\n"grüße, 1",pets\r\nzwei,\r\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_spreadsheets_table_is_read(root, content, encoding, caplog):
    assert rows(read(root, content.removeprefix("\ufeff").encode(encoding))) == EXPECTED
    assert not caplog.records


def test_json_lines_in_utf_16_are_read(root):
    content = '{"Text": "grüße, 1", "label": "pets"}\r\n{"Text": "zwei"}\r\n'
    assert rows(read(root, content.encode("utf-16-le"), "a.jsonl")) == EXPECTED


def test_a_null_byte_in_a_caption_is_no_utf_16(root):
    assert [row["text"] for row in rows(read(root, b"text,label\na\0b,pets\nzwei,pets\n"))] == ["a\0b", "zwei"]


def test_a_header_may_have_a_line_break(root):
    assert rows(read(root, '"text","long\nname"\nx,1\n')) == [{"text": "x", "long name": "1", "_problem": ""}]


def test_numbers_with_a_decimal_comma_stay_in_their_column(root):
    assert rows(read(root, "text;price\nx;1,5\ny;2,25\n"))[1]["price"] == "2,25"


def test_columns_without_a_name_but_with_values_are_told_by_their_letters(root, caplog):
    frame = read(root, ",text,,label\n0,one,x,pets\n1,two,,pets\n")
    assert list(frame.columns) == ["text", "label", "_problem", "path", "_source"]
    assert "2 columns have no name and are left out (A: 2 values, C: 1 values)" in caplog.text


def test_refused_rows_are_told_by_their_lines(root, caplog):
    frame = read(root, "text,label\nok,pets\ntoo,many,cells\nfew\n")
    assert (frame["_problem"] != "").tolist() == [False, True, True]
    assert "2 of 3 rows cannot be read and are refused: line 3: 3 fields where the header has 2; line 4" in caplog.text


def test_a_column_of_the_very_name_goes_before_one_in_another_case(root, caplog):
    assert rows(read(root, "text,TEXT\nright,other\n")) == [{"text": "right", "TEXT": "other", "_problem": ""}]
    assert "columns ['TEXT'] stay beside 'text' and are kept as metadata" in caplog.text
    with pytest.raises(ManifestError, match=r"columns \['Text', 'TEXT'\] differ only in case. Remedy.*'text'"):
        read(root, "Text,TEXT\na,b\n")


def test_columns_of_labels_are_called_as_the_capabilities_are():
    columns = ["text", "Label_Safety", "LABEL_Cafe\u0301", "annotations_SAFETY", "label_mood"]
    found = capability_columns(rows_of(pd.DataFrame(columns=columns)), ["safety", "Café"])
    assert list(found.names) == ["text", "label_safety", "label_Café", "annotations_safety", "label_mood"]


def test_columns_of_labels_in_two_cases_are_one_unless_a_row_has_both():
    apart = pd.DataFrame({"label_safety": ["a", ""], "label_SAFETY": ["", "b"]})
    assert capability_columns(rows_of(apart), ["safety"]).frame().to_dict("list") == {"label_safety": ["a", "b"]}
    both = pd.DataFrame({"label_safety": ["a", "c"], "label_SAFETY": ["", "b"]})
    assert list(capability_columns(rows_of(both), ["safety"]).names) == ["label_safety", "label_SAFETY"]


def test_parquet_and_spreadsheets_of_pandas_are_read_alike(root):
    frame = pd.DataFrame({"Text": ["x"], "Label": [["advert", "violence"]]})
    frame.to_parquet(root / "a.parquet")
    stream = io.StringIO()
    frame.to_csv(stream)
    labels = [read_feeds(["a.parquet"], Limits()).frame()["label"][0], read(root, stream.getvalue())["label"][0]]
    assert labels == ['["advert", "violence"]', "['advert', 'violence']"]
