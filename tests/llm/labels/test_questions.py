import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import choose_clips
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.recipe import Example, Recipe
from cu_pipeline.llm.prompts.inputs import Extracted, screen_reader

CAPABILITIES = {
    "topic": Capability(classes=("home_made", "pets")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence")),
}
RECIPE = Recipe(prompt="test", template='{{ classes | join(", ") }}; {{ description }}. "{{ text }}":')
POOL = Pool((Example(text="a cat", label="pets"), Example(text="a cake", label="home_made")))


@pytest.fixture
def ask(inquire):
    """Give a function from clips, annotations and options to the questions with `RECIPE`."""

    def plan(clips, annotations, recipe=RECIPE, extracted=None, **options):
        more = {"extracted": extracted} if extracted else {}
        return inquire(clips, annotations, CAPABILITIES, recipe, LlmOptions.model_validate(options), pool=POOL, **more)

    return plan


def test_only_clips_with_a_caption_and_without_a_persons_label_are_asked_about(clips, votes, ask) -> None:
    table = clips({"seen": "x", "open": "y", "mute": "  "})
    annotations = pd.concat([votes(("seen", "ann", "pets")), votes(("open", "ann", "none"), capability="safety")])
    asked = {one.capability: list(one.clips) for one in ask(table, annotations)}
    assert asked == {"topic": ["open"], "safety": ["seen"]}


def test_questions_offer_the_classes_as_people_write_them(clips, votes, ask) -> None:
    topic, safety = ask(clips({"1": 'say "hi"\nnow'}), votes(), content_free=["N/A"], contrast="a calm day")
    question = topic.clips["1"]
    assert question.prompt == "home made, pets; topic. \"say 'hi' now\":"
    assert question.continuations == (" home made", " pets")
    assert question.prompt.startswith(question.shared)
    assert [one.prompt for one in topic.plan.content_free] == ['home made, pets; topic. "N/A":']
    assert safety.clips["1"].continuations == (" advert", " violence", " a calm day")


def test_the_budget_takes_a_fixed_sample_and_says_what_is_left_out(clips, votes, ask, caplog) -> None:
    captions = {str(number): f"clip {number}" for number in range(30)}
    chosen = set(ask(clips(captions), votes(), max_clips=10)[0].clips)
    assert len(chosen) == 10
    assert "topic: 30 clips wait for a label that a language model could give; it labels 10 of them" in caplog.text
    fewer = dict(list(captions.items())[5:])
    kept = chosen & set(fewer)
    assert kept <= set(ask(clips(fewer), votes(), max_clips=10)[0].clips)


def test_clips_on_which_machines_are_tested_come_first(clips) -> None:
    waiting = clips({str(number): f"clip {number}" for number in range(30)})
    alone = set(choose_clips(waiting, "topic", 10)["clip_id"])
    tested = set(waiting["clip_id"][:6]) - alone
    assert tested
    chosen = set(choose_clips(waiting, "topic", 10, tested)["clip_id"])
    assert len(chosen) == 10
    assert tested < chosen
    assert chosen - tested < alone


def test_nothing_is_asked_out_of_budget(clips, votes, ask) -> None:
    assert ask(clips({"1": "x"}), votes(), max_clips=0) == []


def test_long_captions_are_cut(clips, votes, ask) -> None:
    question = ask(clips({"1": "long " * 100}), votes(), max_characters=20)[0].clips["1"]
    assert '"long long long long…":' in question.prompt


def test_nearest_examples_come_from_the_pool(clips, votes, inquire) -> None:
    template = "{% for one in examples %}{{ one.text }}={{ one.answer }};{% endfor %}{{ text }}"
    recipe = Recipe(prompt="near", template=template, method="nearest", shots=1)
    topic = {"topic": CAPABILITIES["topic"]}
    (inquiry,) = inquire(clips({"1": "my cat", "2": "cakes"}), votes(), topic, recipe, LlmOptions(), pool=POOL)
    assert [one.prompt for one in inquiry.questions] == ["a cat=pets;my cat", "a cake=home made;cakes"]


def test_a_prompt_is_told_what_it_names_and_no_more(clips, votes, ask, tmp_path) -> None:
    table = clips({"both": "look", "mute": "", "silent": "", "plain": "words"})
    table["media_sha256"] = ["m1", "m2", "m3", ""]
    table["metadata"] = ['{"transcript": "he says pets"}', "", "", ""]
    options = LlmOptions()
    store = FeatureStore(tmp_path)
    store.append(FrameEncoder(count=2).identity, ["m1", "m2", "m3"], np.zeros((3, 2, 1280), np.float32))
    store.append(screen_reader(options).identity, ["m1", "m2"], np.array(["SALE on pets", "MENU"], dtype=object))
    extracted = Extracted(store, store, FrameEncoder(count=2))

    def asked(template: str) -> dict[str, str]:
        topic = ask(table, votes(), Recipe(prompt="test", template=template), extracted)[0]
        return {clip: question.prompt for clip, question in topic.clips.items()}

    assert asked("{{ text }}:") == {"both": "look:", "plain": "words:"}
    assert asked("{{ text }}|{{ screen_text }}:") == {"both": "look|SALE on …:", "mute": "|MENU:", "plain": "words|:"}
    assert asked("{{ text }}|{{ transcript }}:") == {"both": "look|he says …:", "plain": "words|:"}


def test_pictures_are_shown_of_clips_with_media_also_without_a_caption(clips, votes, inquire) -> None:
    table = clips({"1": "", "2": ""}).assign(media_sha256=["m1", ""])
    recipe = Recipe(prompt="test", template="{{ text }}:", method="generate", pictures=3)
    topic = {"topic": CAPABILITIES["topic"]}
    (inquiry,) = inquire(table, votes(), topic, recipe, LlmOptions())
    assert list(inquiry.clips) == ["1"]
    assert inquiry.clips["1"].pictures.count == 3


def test_several_classes_are_asked_for_after_examples(clips, votes, inquire) -> None:
    template = "{% for one in examples %}{{ one.text }}={{ one.answer }};{% endfor %}{{ text }}"
    shown = (Example(text="sale", label="advert|violence"), Example(text="a walk", label="none"))
    recipe = Recipe(prompt="few", template=template, method="few_shot_generate", examples=shown, shots=2)
    several = {"safety": CAPABILITIES["safety"]}
    (safety,) = inquire(clips({"1": "x"}), votes(), several, recipe, LlmOptions())
    assert safety.clips["1"].prompt == "sale=advert, violence;a walk=everyday life;x"


def test_what_extractors_found_is_part_of_the_answers_version(clips, votes, inquire) -> None:
    table, topic = clips({"1": "x"}), {"topic": CAPABILITIES["topic"]}

    def version(template: str, **options: object) -> str:
        recipe = Recipe(prompt="test", template=template)
        (inquiry,) = inquire(table, votes(), topic, recipe, LlmOptions.model_validate(options))
        return inquiry.version("model")

    finer = {"screen_text": {"frames": 4}}
    assert version("{{ text }}:") == version("{{ text }}:", **finer)
    assert version("{{ text }}{{ screen_text }}:") != version("{{ text }}{{ screen_text }}:", **finer)


def test_the_pool_of_nearest_examples_is_part_of_the_answers_version(clips, votes, inquire) -> None:
    table, topic = clips({"1": "x"}), {"topic": CAPABILITIES["topic"]}
    recipe = Recipe(prompt="test", template="{{ text }}:", method="nearest", shots=1)
    pools = [POOL, Pool(POOL.examples[:1])]
    versions = {inquire(table, votes(), topic, recipe, LlmOptions(), pool=pool)[0].version("m") for pool in pools}
    assert len(versions) == 2


def test_descriptions_that_a_prompt_names_are_part_of_the_answers_version(clips, votes, inquire) -> None:
    def version(template: str, **words: object) -> str:
        topic = {"topic": Capability(classes=("a", "b"), **words)}
        recipe = Recipe(prompt="test", template=template)
        return inquire(clips({"1": "x"}), votes(), topic, recipe, LlmOptions())[0].version("m")

    told = {"class_descriptions": {"a": "first"}, "description": "letters"}
    assert version("{{ text }}:") == version("{{ text }}:", **told)
    for name in told:
        template = f"{{{{ {name} }}}}{{{{ text }}}}:"
        assert version(template) != version(template, **told)
