import pytest

from cu_pipeline.core import counters
from cu_pipeline.core.capability import Capability
from cu_pipeline.labeling.guarantee.cascade import asked, spare
from cu_pipeline.labeling.guarantee.opinions import Asked
from cu_pipeline.llm.clients.dispatch import LanguageModel
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.protocol import Scored, Unanswered
from cu_pipeline.llm.labels.questions import Inquiry
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.question_plan import plan
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import Task

CAPTIONS = {"1": "first", "2": "second", "3": "third", "4": "fourth"}


@pytest.fixture
def about():
    """Give a function from a method to an inquiry about all captions."""

    def build(method: str = "score_content_free", bias: tuple[float, ...] = ()) -> Inquiry:
        recipe = Recipe(prompt="test", template="{{ text }}:", method=method, bias=bias)
        task = Task("topic", Capability(classes=("a", "b")), "", ("N/A",), 100)
        asked_about = [ClipInputs(text) for text in CAPTIONS.values()]
        return Inquiry(
            "topic", tuple(CAPTIONS), plan(recipe, task, asked_about, Pool()), LanguageModel.of(ClientOptions())
        )

    return build


def test_certified_clips_are_spared_unless_their_answer_is_known(about, caplog) -> None:
    caplog.set_level("INFO")
    inquiry = about()
    key = inquiry.keys
    known = {key["1"]: Scored((-1.0, -1.0), 3), key["2"]: Unanswered("late", 3)}
    counters.reset()
    (left,) = spare([inquiry], {"topic": {"1", "2", "3"}}, known)
    assert left.clips == {clip: inquiry.clips[clip] for clip in ("1", "4")}
    assert left.plan.content_free == inquiry.plan.content_free
    assert (left.spared, counters.counts()["llm_clips_spared"]) == (2, 2)
    assert "topic: 2 clips not asked of the language model" in caplog.text
    assert spare([inquiry], {"safety": {"1", "2", "3"}}, {}) == [inquiry]


def test_nothing_is_spared_where_each_answer_hangs_on_all_captions(about) -> None:
    batch = about("score_batch")
    assert spare([batch], {"topic": {"1"}}, {}) == [batch]
    fixed = about("score_batch", (-0.7, -0.7))
    assert list(spare([fixed], {"topic": {"1"}}, {})[0].clips) == ["2", "3", "4"]


def test_who_answered_nothing_usable_counts_as_unanswered(about) -> None:
    inquiry = about()
    key = inquiry.keys
    known = {key["1"]: Scored((-1.0, -1.0), 3), key["2"]: Unanswered("late", 3)}
    assert asked([inquiry], known) == {"topic": Asked(clips=4, unanswered=3)}
    assert not asked([inquiry], known)["topic"].is_complete
    assert Asked(clips=300, unanswered=3, spared=5).is_complete
