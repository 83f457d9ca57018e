import pandas as pd

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.inquiry import plan_inquiries
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.prompting.few_shot import Pool
from cu_pipeline.prompting.recipe import Example, Recipe

CAPABILITIES = {
    "topic": Capability(classes=("home_made", "pets")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence")),
}
RECIPE = Recipe(prompt="test", template='{{ classes | join(", ") }}; {{ description }}. "{{ text }}":')
POOL = Pool((Example(text="a cat", label="pets"), Example(text="a cake", label="home_made")))


def _plan(clips: pd.DataFrame, annotations: pd.DataFrame, recipe: Recipe = RECIPE, **options: object):
    return plan_inquiries(
        clips,
        annotations,
        CAPABILITIES,
        dict.fromkeys(CAPABILITIES, recipe),
        lambda _: POOL,
        LlmOptions.model_validate(options),
    )


def test_only_clips_with_a_caption_and_without_a_persons_label_are_asked_about(clips, votes) -> None:
    table = clips({"seen": "x", "open": "y", "mute": "  "})
    annotations = pd.concat([votes(("seen", "ann", "pets")), votes(("open", "ann", "none"), capability="safety")])
    asked = {one.capability: list(one.clips) for one in _plan(table, annotations)}
    assert asked == {"topic": ["open"], "safety": ["seen"]}


def test_questions_offer_the_classes_as_people_write_them(clips, votes) -> None:
    topic, safety = _plan(clips({"1": 'say "hi"\nnow'}), votes(), content_free=["N/A"], contrast="a calm day")
    question = topic.clips["1"]
    assert question.prompt == "home made, pets; topic. \"say 'hi' now\":"
    assert question.continuations == (" home made", " pets")
    assert question.prompt.startswith(question.shared)
    assert [one.prompt for one in topic.plan.content_free] == ['home made, pets; topic. "N/A":']
    assert safety.clips["1"].continuations == (" advert", " violence", " a calm day")


def test_the_budget_takes_a_fixed_sample_and_says_what_is_left_out(clips, votes, caplog) -> None:
    captions = {str(number): f"clip {number}" for number in range(30)}
    chosen = set(_plan(clips(captions), votes(), max_clips=10)[0].clips)
    assert len(chosen) == 10
    assert "topic: 30 clips have a caption but no label; the language model labels 10 of them" in caplog.text
    fewer = dict(list(captions.items())[5:])
    kept = chosen & set(fewer)
    assert kept <= set(_plan(clips(fewer), votes(), max_clips=10)[0].clips)


def test_nothing_is_asked_out_of_budget(clips, votes) -> None:
    assert _plan(clips({"1": "x"}), votes(), max_clips=0) == []


def test_long_captions_are_cut(clips, votes) -> None:
    question = _plan(clips({"1": "long " * 100}), votes(), max_characters=20)[0].clips["1"]
    assert '"long long long long…":' in question.prompt


def test_nearest_examples_come_from_the_pool(clips, votes) -> None:
    template = "{% for one in examples %}{{ one.text }}={{ one.answer }};{% endfor %}{{ text }}"
    recipe = Recipe(prompt="near", template=template, method="nearest", shots=1)
    inquiries = plan_inquiries(
        clips({"1": "my cat", "2": "cakes"}), votes(), CAPABILITIES, {"topic": recipe}, lambda _: POOL, LlmOptions()
    )
    assert [one.prompt for one in inquiries[0].questions] == ["a cat=pets;my cat", "a cake=home made;cakes"]


def test_several_classes_are_asked_for_after_examples(clips, votes) -> None:
    template = "{% for one in examples %}{{ one.text }}={{ one.answer }};{% endfor %}{{ text }}"
    shown = (Example(text="sale", label="advert|violence"), Example(text="a walk", label="none"))
    recipe = Recipe(prompt="few", template=template, method="few_shot_generate", examples=shown, shots=2)
    (safety,) = plan_inquiries(
        clips({"1": "x"}), votes(), CAPABILITIES, {"safety": recipe}, lambda _: Pool(), LlmOptions()
    )
    assert safety.clips["1"].prompt == "sale=advert, violence;a walk=everyday life;x"
