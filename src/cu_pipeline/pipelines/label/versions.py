"""What decides the machines' answers, known before any of them is asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.labeling.guarantee.calibration import prior_knowledge
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.priors import class_priors
from cu_pipeline.labeling.sources.function import load_rules
from cu_pipeline.labeling.sources.rules import Rule


def all_rules(options: LabelOptions, functions: Path) -> list[Rule]:
    """Give the rules of the parameters and of the rules file."""
    return [*options.rules, *load_rules(functions)]


def machine_versions(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    active: Mapping[str, Capability],
    functions: Path,
    options: LabelOptions,
) -> dict[str, str]:
    """Give by capability what, besides the annotators' versions, decides what machines answer.

    Args:
        clips: the table of usable clips.
        annotations: people's among them.
        calibration: table of clips that machines are tested on.
        active: the active capabilities.
        functions: the rules file.
        options: of the label pipeline.
    """
    rules = all_rules(options, functions)
    llm = _llm_versions(clips, prior_knowledge(annotations, calibration), active, options)
    return {
        name: json_sha256([[rule.version for rule in rules if rule.capability == name], llm[name]]) for name in active
    }


def _llm_versions(
    clips: pd.DataFrame, known: pd.DataFrame, active: Mapping[str, Capability], options: LabelOptions
) -> dict[str, list[Any]]:
    """Give by capability what decides the language model's answers besides model and prompt."""
    if not options.llm.enabled:
        return {name: [] for name in active}
    asked = options.llm.model_dump(mode="json", exclude={"client", "max_clips"})
    return {name: [asked, class_priors(clips, known, name, one).tolist()] for name, one in active.items()}
