from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import ClipsToAsk, Inquiry, askable, choose_clips, plan_inquiries
from cu_pipeline.llm.labels.recipes import Background, task_of
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.inputs import Extracted


@pytest.fixture
def inquire() -> Callable[..., list[Inquiry]]:
    """Give a function that writes the questions about the clips that wait for a label."""
    nobody = Pool()
    empty = FeatureStore(Path("nowhere"))
    nothing = Extracted(empty, empty, None)

    def plan(
        clips: pd.DataFrame,
        annotations: pd.DataFrame,
        capabilities: Mapping[str, Capability],
        recipe: Recipe,
        options: LlmOptions,
        *,
        pool: Pool = nobody,
        extracted: Extracted = nothing,
    ) -> list[Inquiry]:
        waiting = {name: askable(clips, annotations, name, recipe) for name in capabilities}
        chosen = {
            name: ClipsToAsk(recipe, choose_clips(waiting[name], name, options.max_clips)) for name in capabilities
        }
        return plan_inquiries(chosen, _backgrounds(capabilities, options, pool), extracted, options)

    return plan


@pytest.fixture
def background() -> Callable[..., dict[str, Background]]:
    """Give a function from capabilities and options to what people's labels tell, all classes being equally common."""
    return _backgrounds


def _backgrounds(
    capabilities: Mapping[str, Capability], options: LlmOptions, pool: Pool | None = None
) -> dict[str, Background]:
    return {
        name: Background(
            task_of(name, one, options),
            np.full(len(one.classes), 1 / (2 if one.kind is Kind.MULTI else len(one.classes))),
            pool or Pool(),
        )
        for name, one in capabilities.items()
    }
