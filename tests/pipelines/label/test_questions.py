from collections.abc import Sequence

import numpy as np
import pytest

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core.capability import Capability
from cu_pipeline.llm.clients.dispatch import CLIENTS, ClientKind, LanguageModel
from cu_pipeline.llm.clients.options import ClientOptions, PackagedOptions
from cu_pipeline.llm.clients.protocol import Scored
from cu_pipeline.llm.labels.questions import Inquiry, annotate
from cu_pipeline.llm.labels.recipes import Background
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.question_plan import plan
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import Task
from cu_pipeline.pipelines.label.nodes import ask_llm

TASK = Task("topic", Capability(classes=("cooking", "pets")), "", ("N/A",), 100)


class _Fond:
    """Stands for a model that finds the class likeliest that it is named after."""

    concurrency = 1

    def __init__(self, options: ClientOptions) -> None:
        self.identity = options.chosen.model

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        return Scored(tuple(0.0 if self.identity in one else -3.0 for one in continuations), 1000)

    def close(self) -> None:
        """Hold nothing."""


def test_two_models_label_beside_each_other_each_by_its_name_and_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLIENTS, "packaged", ClientKind(lambda options: options.chosen.model, _Fond))
    questions = plan(Recipe(prompt="p", template="{{ text }}:", method="score"), TASK, [ClipInputs("soup")], Pool())

    def inquiry(name: str, price: float) -> Inquiry:
        options = PackagedOptions(model=name, price_per_1000_prompt_tokens=price)
        return Inquiry("topic", ("c1",), questions, LanguageModel.of(ClientOptions(packaged=options)))

    inquiries = [inquiry("pets", 1.0), inquiry("cooking", 5.0)]
    answers = {call.key: call.answer for calls in ask_llm(inquiries, {}, ComputeOptions()) for call in calls}
    assert [call for calls in ask_llm(inquiries, answers, ComputeOptions()) for call in calls] == []
    said = annotate(inquiries, answers, {"topic": Background(TASK, np.array([0.5, 0.5]))})
    assert said[["annotator", "label", "price"]].to_numpy().tolist() == [
        ["pets", "pets", 1.0],
        ["cooking", "cooking", 5.0],
    ]
    assert said["version"].nunique() == 2
