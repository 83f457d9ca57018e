import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.prompts.prompt import ClipInputs, Prompt, as_data


@given(st.text(), st.integers(1, 50))
def test_a_caption_cannot_leave_its_quotes(text: str, limit: int) -> None:
    safe = as_data(text, limit)
    assert len(safe) <= limit
    assert not set('"\n\r\t\x00\x1b') & set(safe)
    assert "<|" not in safe


def test_a_prompt_ends_where_the_answer_begins() -> None:
    prompt = Prompt('Topics: {{ classes | join(", ") }}\nCaption: "{{ text }}"\nTopic: \n')
    assert prompt.render(ClipInputs("x"), classes=["a", "b"]) == 'Topics: a, b\nCaption: "x"\nTopic:'
    assert prompt.shared(classes=["a", "b"]) == 'Topics: a, b\nCaption: "'


def test_a_prompt_says_what_it_wants_to_be_told() -> None:
    prompt = Prompt(
        "{% for one in classes %}{{ one }}{% endfor %} {{ text }} {% if tags %}{{ tags | lower }}{% endif %}"
    )
    assert prompt.required == {"text", "tags"}


def test_what_all_renderings_share_holds_for_clips_of_which_less_is_known() -> None:
    prompt = Prompt(
        'Topics.\n{% if screen_text %}Screen: "{{ screen_text }}"\n{% endif %}Caption: "{{ text }}"\nTopic:'
    )
    for clip in (ClipInputs("x"), ClipInputs("x", screen_text="y"), ClipInputs(screen_text="y")):
        assert prompt.render(clip).startswith(prompt.shared())
    assert prompt.shared() == "Topics."


def test_a_changed_template_has_another_version() -> None:
    assert Prompt("{{ text }}").version != Prompt("{{ text }}:").version


def test_a_template_that_cannot_work_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match="line 1"):
        Prompt("{{ text")
    with pytest.raises(
        ConfigurationError, match=r"'clases' is undefined; it is given classes, lang, screen_text, tags, text"
    ):
        Prompt("{{ text }} {{ clases }}").render(ClipInputs("x"), classes=["a"])
