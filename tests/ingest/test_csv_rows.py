"""No row of a CSV file is lost, whatever its quotes are like."""

import csv
import io
import logging

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cu_pipeline.ingest import csv_text
from cu_pipeline.ingest.csv_text import read_csv

HEADER = ["clip_id", "text", "label", "creator"]
WORDS = {"cooking": "bread soup oven sauce", "football": "goal match keeper league", "pets": "puppy kitten leash vet"}


def read(content, name="clips.csv"):
    """Give the rows that were read, and what is wrong with those that were not."""
    rows, problems = [], []
    for columns, found in read_csv(io.BytesIO(content if isinstance(content, bytes) else content.encode()), name):
        for *cells, problem in zip(*columns.values(), found, strict=True):
            if problem:
                problems.append(problem)
            else:
                rows.append(cells)
    return rows, problems


@pytest.fixture(params=[1, 7, 4096], autouse=True, scope="module")
def lines_at_a_time(request):
    """However few lines are divided at a time, the rows are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "LINES", request.param)
        yield


def forty(opened, sign=","):
    """Write 40 captions without any quoting; the captions in `opened` begin with a quote that is not closed."""
    rows = []
    for place in range(40):
        label = list(WORDS)[place % 3]
        quote = '"' if place in opened else ""
        rows.append(
            [f"c{place:02}", f"{quote}{WORDS[label].split()[place % 4]} clip number {place}", label, f"u{place}"]
        )
    return rows, "".join(sign.join(row) + "\n" for row in [HEADER, *rows])


@pytest.mark.parametrize("sign", [",", "\t", ";"])
@pytest.mark.parametrize("opened", [(9,), (9, 21), (9, 10), (0, 39), (3, 9, 21), tuple(range(40))])
def test_a_caption_that_opens_a_quote_swallows_no_row(opened, sign, caplog):
    rows, content = forty(opened, sign)
    assert read(content) == (rows, [])
    assert f"a quote opens a cell of {len(opened)} lines" in caplog.text
    assert f"lines {opened[0] + 2}" in caplog.text


@pytest.mark.parametrize("ending", ['foo"', '"'])
def test_rows_between_an_open_quote_and_a_later_closing_one_are_read(ending):
    rows, content = forty([9])
    assert read(content.replace("u21\n", "u21\n").replace(rows[21][1], ending)) == (
        [row if place != 21 else [row[0], ending, *row[2:]] for place, row in enumerate(rows)],
        [],
    )


def test_a_swallowed_row_that_is_broken_is_refused_by_its_line():
    rows, content = forty([9])
    content = content.replace(rows[12][1], "one, too many").replace(rows[21][1], 'foo"')
    good, problems = read(content)
    assert (len(good), len(problems)) == (39, 1)
    assert problems[0].startswith("line 14: 5 fields where the header has 4")


def test_captions_of_several_lines_are_read():
    long = 'Ingredients:\n- flour, eggs, milk\n- sugar\n\nMix, bake, enjoy "warm"!'
    rows = [["c1", long, "cooking", "u1"], ["c2", "two\r\nlines", "pets", "u2"], ["c3", "plain", "pets", "u3"]]
    assert read(written([HEADER, *rows])) == (rows, [])


def test_prose_that_has_as_many_commas_as_the_header_is_one_caption_and_is_told(caplog):
    rows = [["c1", "eggs, flour, milk\nthen mix, bake", "cooking", "u1"], ["c2", "plain", "pets", "u2"]]
    assert read(written([HEADER, *rows])) == (rows, [])
    assert "1 rows go over several lines, each of which could be a row of its own (from lines 2)" in caplog.text


def test_a_quoted_word_within_a_caption_stays():
    content = 'clip_id,text,label,creator\nc1,"Wow" he said,pets,u1\nc2,so "good" it is,pets,u2\nc3,"a, b" c,pets,u3\n'
    rows, problems = read(content)
    assert [row[1] for row in rows] == ['"Wow" he said', 'so "good" it is', "a, b c"]
    assert not problems


def test_a_refused_line_is_told_with_its_number_and_a_remedy():
    _, problems = read('clip_id,text,label,creator\nc1,"a, b,pets,u1\nc2,ok,pets,u2\n')
    assert problems == [
        "line 2: 5 fields where the header has 4; a quote opens a cell and is not closed as it must be. Remedy: close "
        'the quote, or write "" for each quote inside a quoted cell'
    ]


def written(rows, **options):
    stream = io.StringIO(newline="")
    csv.writer(stream, **options).writerows(rows)
    return stream.getvalue()


def lines_are_rows(row, width, sign):
    """Tell whether most lines of a row over several lines have as many delimiters as a row has."""
    several = [line.count(sign) >= width - 1 for line in written([row], delimiter=sign).splitlines() if line]
    return len(several) > 1 and 4 * sum(several) >= 3 * len(several)


CELL = st.text(st.sampled_from("ab é\"',;\t\n\r"), max_size=12)
NAMES = [f"column{number}" for number in range(5)]


@given(st.data(), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]), st.sampled_from(",;\t"))
def test_what_a_csv_writer_wrote_comes_back(data, quoting, sign):
    width = data.draw(st.integers(2, 5))
    rows = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8))
    assume(not any(lines_are_rows(row, width, sign) for row in rows))
    content = written([NAMES[:width], *rows], quoting=quoting, delimiter=sign)
    assert read(content) == (rows, [])


PLAIN = st.text(st.sampled_from("ab é'."), min_size=1, max_size=12).filter(lambda text: text[0] != " ")
"""Cells that do not begin like prose: of rows that do, a closed quote may well mean several lines."""


@given(st.data(), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE]), st.sampled_from(",;\t"))
def test_rows_read_and_rows_refused_are_all_rows_wherever_quotes_stray(data, quoting, sign):
    width = data.draw(st.integers(2, 5))
    rows = data.draw(st.lists(st.lists(PLAIN, min_size=width, max_size=width), min_size=1, max_size=12))
    lines = written([NAMES[:width], *rows], quoting=quoting, delimiter=sign).splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(1, len(rows)))
        place = data.draw(st.integers(0, len(lines[number]) - 2))
        lines[number] = lines[number][:place] + '"' + lines[number][place:]
    good, problems = read("".join(lines))
    assert len(good) + len(problems) == len(rows)


def test_a_quote_that_is_never_closed_costs_no_time(caplog):
    caplog.set_level(logging.ERROR)
    lines = "".join(f'c{number},"a ""b"" {number},pets,u\n' for number in range(20_000))
    good, problems = read("clip_id,text,label,creator\n" + lines)
    assert len(good) + len(problems) == 20_000
