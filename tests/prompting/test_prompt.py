import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.prompting.prompt import Prompt, as_data


@given(st.text(), st.integers(1, 50))
def test_a_caption_cannot_leave_its_quotes(text: str, limit: int) -> None:
    safe = as_data(text, limit)
    assert len(safe) <= limit
    assert not set('"\n\r\t\x00\x1b') & set(safe)
    assert "<|" not in safe


def test_a_prompt_ends_where_the_answer_begins() -> None:
    prompt = Prompt('Topics: {{ classes | join(", ") }}\nCaption: "{{ text }}"\nTopic: \n')
    assert prompt.render("x", classes=["a", "b"]) == 'Topics: a, b\nCaption: "x"\nTopic:'
    assert prompt.shared(classes=["a", "b"]) == 'Topics: a, b\nCaption: "'


def test_a_changed_template_has_another_version() -> None:
    assert Prompt("{{ text }}").version != Prompt("{{ text }}:").version


def test_a_template_that_cannot_work_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match="line 1"):
        Prompt("{{ text")
    with pytest.raises(ConfigurationError, match=r"'clases' is undefined; it is given classes, text"):
        Prompt("{{ text }} {{ clases }}").render("x", classes=["a"])
