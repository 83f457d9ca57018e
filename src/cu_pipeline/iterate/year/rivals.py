"""What the loop is held against: policies without one, which fit their model again on random clips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from threadpoolctl import threadpool_limits

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.iterate.year.calendar import Window
from cu_pipeline.iterate.year.learner import Learner, Workshop
from cu_pipeline.iterate.year.options import CAPABILITY, YearOptions
from cu_pipeline.iterate.year.policies import RIVALS, Policy
from cu_pipeline.iterate.year.project import Project
from cu_pipeline.media.options import Limits
from cu_pipeline.models.families import TrainOptions
from cu_pipeline.models.training import training_data


@dataclass
class Rival:
    """A policy without a loop, and how it stands.

    Attributes:
        policy: that decides.
        learner: its model.
        seen: what arrived when the model was fitted last.
        labelled: clips that were bought labels for.
    """

    policy: Policy
    learner: Learner
    seen: pd.DataFrame
    labelled: int = 0


def first_rivals(project: Project, options: YearOptions) -> list[Rival]:
    """All policies without a loop, with the first model and the clips that it learned from."""
    data, conf = project.root / "data", project.root / "conf" / "base"
    bundle = BundlesDataset(filepath=str(data / "06_models" / "champions")).load()[CAPABILITY]
    clips = pd.read_parquet(data / "02_intermediate" / "clips.parquet")
    labels = pd.read_parquet(data / "05_model_input" / "labels.parquet")
    capability = Capability(kind=Kind.SINGLE, classes=bundle.classes)
    taught = training_data(CAPABILITY, capability, clips, labels).clips
    shop = workshop(conf, data / "04_feature", options)
    learner = Learner(shop, capability, taught, bundle)
    seen = _seen(learner, clips[clips["split"] != "train"])
    return [Rival(policy, learner, seen) for policy in RIVALS]


def workshop(conf: Path, store: Path, options: YearOptions) -> Workshop:
    """What the models of a year are fitted with.

    Args:
        conf: the base configuration of its project.
        store: folder of features.
        options: of the year.
    """
    return Workshop(
        store=FeatureStore(store),
        extractors=build_all(FeatureOptions(**parameters_of(conf, "featurize")["extractors"])),
        options=TrainOptions(**(parameters_of(conf, "train") | options.parameters()["train"])),
        limits=Limits(),
        mapper=LocalMapper(),
        seed=options.seed,
    )


def parameters_of(conf: Path, group: str) -> dict[str, Any]:
    """Read a group of parameters of a project's base configuration."""
    found: dict[str, Any] = yaml.safe_load((conf / f"parameters_{group}.yml").read_text("utf-8"))[group]
    return found


def rival_window(rival: Rival, clips: pd.DataFrame, window: Window, options: YearOptions) -> float:
    """Let a policy answer about a window's clips, and fit its model again where it wants to.

    Returns:
        The share of right answers.
    """
    with threadpool_limits(1):  # the loop works beside, and needs the other core
        rival.learner.workshop.featurize(clips)
        seen = _seen(rival.learner, clips)
        right = float((rival.learner.answers(clips)["label"] == clips["topic"]).mean())
        if rival.policy.alarm(rival.seen, seen):
            rng = np.random.default_rng([options.seed, window.number])
            bought = clips.sample(n=min(options.labels, len(clips)), random_state=rng)
            rival.learner = rival.learner.taught(bought, _said(bought["topic"], options, rng))
            rival.labelled += len(bought)
            rival.seen = _seen(rival.learner, clips)
    return right


def _said(truth: "pd.Series[str]", options: YearOptions, rng: np.random.Generator) -> list[str]:
    """What people answer: the truth, or now and then another class of those at hand."""
    known = sorted(set(truth))
    others = {label: [one for one in known if one != label] or [label] for label in known}
    wrong = rng.random(len(truth)) < options.error_rate
    return [str(rng.choice(others[label])) if mistaken else label for label, mistaken in zip(truth, wrong, strict=True)]


def _seen(learner: Learner, clips: pd.DataFrame) -> pd.DataFrame:
    """What a table of traffic shows of clips: numbers and words that Evidently compares."""
    answers = learner.answers(clips)
    return pd.DataFrame(
        {
            "text_length": clips["text"].str.len().to_numpy(np.float64),
            "label": answers["label"].astype(object).to_numpy(),
            "confidence": answers["probability"].to_numpy(np.float64),
        }
    )
