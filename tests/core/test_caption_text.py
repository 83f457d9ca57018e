import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cu_pipeline.core.caption_text import clean_caption, clean_name, folded_name

tricky = st.text(
    st.sampled_from("&#;xXampltgt0123468 \t\n\r\u200b\u200c\u200d\u00a0\u0301\ufe0f\u2066é👩🍳🏴\U000e0067\U000e007fنक्")
)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("plain #tag @you", "plain #tag @you"),
        ("cafe\u0301", "café"),
        ("a\u200bb\ufeffc\u2060d\u00ade\u202ef", "abcdef"),
        ("a\x00b\x07c\x7fd\x9ce", "abcde"),
        ("one\r\ntwo\rthree\u2028four\tfive", "one\ntwo\nthree\nfour\tfive"),
        ("a\u00a0b\u3000c&nbsp;d", "a b c d"),
        ("Tom &amp; Jerry &lt;3 &#39;hi&#x27; &hearts;", "Tom & Jerry <3 'hi' ♥"),
        ("twice &amp;amp;quot;escaped&amp;amp;quot;", 'twice "escaped"'),
        ("AT&T, R&D; &nosuch; &#55555555; &#xd800;", "AT&T, R&D; &nosuch;"),
        ("&am\u200bp;", "&"),
        ("a\u3164b\u034fc\uffa0d", "abcd"),
        ("  \u200b ", ""),
    ],
)
def test_captions_are_spelt_one_way(raw, cleaned):
    assert clean_caption(raw) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "👩‍🍳 👨‍👩‍👧‍👦 🏳️‍🌈 🧑🏽‍🚀 ❤️‍🔥",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "1️⃣ 🇩🇪 👍🏿 ☺︎",
        "#日本語 #größe #спорт #नमस्ते",
        "می\u200cخواهم",
        "क्\u200dष",
    ],
)
def test_emoji_hashtags_and_spelling_stay(text):
    assert clean_caption(text) == text


def test_joiners_and_flag_letters_without_their_neighbours_go():
    assert clean_caption("a\u200db \u200d👩 👩\u200d x\U000e0067y") == "ab 👩 👩 xy"


@given(st.text() | tricky)
@example("&#38;#38;amp;lt;")
def test_cleaning_again_changes_nothing(text):
    cleaned = clean_caption(text)
    assert clean_caption(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not {"\u200b", "\x00", "\ufeff", "\u00a0", "\r"} & set(cleaned)


def test_many_times_escaped_text_takes_no_long():
    assert clean_caption("&" + "amp;" * 100_000 + "lt;") == "<"


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_clean_name_is_one_line_without_doubled_blanks_and_stays_as_it_is(name: str) -> None:
    cleaned = clean_name(name)
    assert cleaned == " ".join(cleaned.split())
    assert clean_name(cleaned) == cleaned


@pytest.mark.parametrize(
    "spelling",
    ["Cafe\u0301 Nu\u0308rnberg", "Café\u00a0Nürnberg", "\u200bCafé \t\u3000Nürnberg\n", "Caf&eacute; N&#252;rnberg"],
)
def test_names_that_look_the_same_are_the_same(spelling: str) -> None:
    assert clean_name(spelling) == "Café Nürnberg"


@pytest.mark.parametrize(("one", "other"), [("Food", "FOOD"), ("film", "\ufb01lm"), ("Food", "Ｆｏｏｄ"), ("ß", "SS")])
def test_names_that_differ_in_case_or_form_fold_to_one(one: str, other: str) -> None:
    assert clean_name(one) != clean_name(other)
    assert folded_name(one) == folded_name(other)
