import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.ingest.language import language_tag, odd_tags


@pytest.mark.parametrize(
    ("given_tag", "expected"),
    [
        ("en", "en"),
        (" en_US ", "en-US"),
        ("EN-us", "en-US"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("sr-latn", "sr-Latn"),
        ("es-419", "es-419"),
        ("de-CH-1996", "de-CH-1996"),
        ("yue", "yue"),
        ("zh-yue-HK", "zh-yue-HK"),
        ("en-u-ca-buddhist", "en-u-ca-buddhist"),
        ("en-x-Team", "en-x-team"),
        ("", ""),
        ("und", ""),
        ("english", ""),
        ("e", ""),
        ("en US", ""),
        ("en-", ""),
        ("en--US", ""),
        ("??", ""),
        ("eñ", ""),
    ],
)
def test_a_tag_has_the_usual_spelling_or_none(given_tag, expected):
    assert language_tag(given_tag) == expected


@given(
    st.from_regex(
        r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?([-_][A-Za-z0-9]{5,8})?", fullmatch=True
    )
)
def test_spelling_a_tag_again_changes_nothing(value):
    tag = language_tag(value)
    assert language_tag(tag) == tag
    assert tag.lower() == value.replace("_", "-").lower() or value.lower().startswith("und")


def test_values_that_are_no_tags_are_counted():
    assert odd_tags(["en", "english", "english ", "und", "", "??"]) == {"english": 2, "??": 1}
