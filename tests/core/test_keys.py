import re
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.prompt.constants import PROMPT_NAME_RULE
from mlflow.utils.validation import _validate_metric_name, _validate_model_name, _validate_param_name

from cu_pipeline.core.keys import LONGEST, file_key, registry_key, tracking_key
from cu_pipeline.tracking.prompt_registry import prompt_name
from cu_pipeline.tracking.registry import model_name

MAKERS = (tracking_key, registry_key, file_key)
ODD = ["food & drink", "sujet (fr)", "C++", "C--", "a/b", "a-b", "a b", "名前", "名後", "..", ".", ".hidden", "con"]
ODD += ["CON", "con.txt", "nul", "com1", "A", "a", "a.", "a ", "x" * 101, "x" * 102, "%", "%%", "'", '"', "<script>"]
ODD += ["..\\x", "a:b", "C:", "\x7f", "\u200b", "e\u0301", "é", "\ud800", "-", "_", "$x", "a,b", "a|b", "😀", "😁", "#"]

names = st.one_of(st.text(min_size=1, max_size=300), st.sampled_from(ODD), st.text("aA.-_/ &é", min_size=1))


@pytest.mark.parametrize("make", MAKERS)
@given(one=names, other=names)
@example("food & drink", registry_key("food & drink"))
@example("Topic", file_key("Topic"))
def test_two_names_never_have_one_key(make, one, other):
    assert (make(one) == make(other)) == (one == other)


@pytest.mark.parametrize("make", MAKERS)
def test_the_names_that_users_were_seen_to_choose_have_keys_of_their_own(make):
    assert len({make(name) for name in ODD}) == len(ODD)


@given(one=names, other=names)
def test_files_are_told_apart_where_case_is_ignored(one, other):
    assert (file_key(one).casefold() == file_key(other).casefold()) == (one == other)


@given(name=names)
def test_each_tool_takes_its_keys(name):
    tracked, registered, filed = (make(name) for make in MAKERS)
    assert max(map(len, (tracked, registered, filed))) <= LONGEST
    _validate_metric_name(f"{tracked}/test/accuracy")
    _validate_param_name(f"capabilities.{tracked}.class_descriptions.{tracked}")
    assert len(f"capabilities.{tracked}.class_descriptions.{tracked}") <= 250
    assert PROMPT_NAME_RULE.match(prompt_name(name))
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", registered)
    assert re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", filed)
    assert not filed.endswith(".")
    assert filed.split(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    if name.isprintable():
        _validate_model_name(model_name(name))
        assert len(model_name(name)) <= 250


@pytest.mark.parametrize("name", ["topic", "is_safe", "v1.0", "top-level", "food"])
def test_a_plain_name_is_its_own_key(name):
    assert [make(name) for make in MAKERS] == [name] * 3


def test_what_earlier_runs_wrote_to_mlflow_keeps_its_key():
    for name in ("Topic", "ice hockey", "名前", "Größe", "A"):
        assert tracking_key(name) == name


def test_models_of_different_names_are_different_models():
    long = ["名" * 90 + tail for tail in "12"]
    for one, other in combinations([*ODD[:-10], *long], 2):
        assert model_name(one) != model_name(other)


def test_what_is_readable_stays_readable():
    assert file_key("Food & Drink").startswith("food-drink-")
    assert tracking_key("sujet (fr)").startswith("sujet-fr-")
