import logging
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.checkpoints import checkpoints_in
from cu_pipeline.models.families import TrainOptions
from cu_pipeline.models.family import History
from cu_pipeline.models.fine_tuning_launch import fits_on
from cu_pipeline.models.training import (
    TrainingData,
    affordable,
    fingerprint,
    train,
    training_data,
    with_inputs_at_hand,
    with_reference,
)

_log = logging.getLogger(__name__)


def gather_training_data(
    clips: pd.DataFrame, labels: pd.DataFrame, resolved: ResolvedCapabilities
) -> dict[str, TrainingData]:
    """Find the clips to learn from for each capability that people have labelled.

    One whose labelled clips are all outside the training split is left out with a warning.

    Returns:
        By capability.
    """
    for name, reason in resolved.waiting.items():
        _log.info("%s: no model is trained, since %s", name, reason)
    found = {}
    for name, capability in resolved.trained.items():
        try:
            found[name] = training_data(name, capability, resolved.clips_of(name, clips), labels)
        except ConfigurationError as error:
            _log.warning("%s No model of it is trained", error)
    return found


def train_models(
    learnable: dict[str, TrainingData],
    store: FeatureStore,
    trained: dict[str, Bundle],
    checkpoints: Path,
    options: TrainOptions,
    extracted: FeatureOptions,
    compute: ComputeOptions,
    seed: int,
) -> tuple[dict[str, Bundle], dict[str, History], dict[str, list[dict[str, Any]]]]:
    """Train a model for each capability, but keep the one whose every input is as before, under today's scope.

    Args:
        learnable: the clips to learn from, by capability.
        store: features of the clips.
        trained: what the last run left, by capability.
        checkpoints: folder of what long fits have reached, for a run that goes on where another was stopped.
        options: of training.
        extracted: the features in use.
        compute: where networks are fine-tuned.
        seed: of every random choice.

    Returns:
        Bundles, training histories, and what each family was worth that the models were chosen from, by capability.
    """
    extractors = build_all(extracted)
    bundles: dict[str, Bundle] = {}
    for counter in ("models_trained", "models_reused"):
        count(counter, 0)
    for name, labelled in learnable.items():
        data = affordable(labelled, extractors, options)
        before = trained.get(name)
        if before and before.trained_on == fingerprint(data, extractors, options, seed):
            _log.info("%s: nothing changed, bundle %s is kept", name, before.version)
            kept = with_inputs_at_hand(before, extractors).scoped(data.capability.scope)
            bundles[name] = with_reference(kept, data, store, extractors)
            count("models_reused")
        else:
            with checkpoints_in(checkpoints / name), fits_on(compute):
                bundles[name] = train(data, store, extractors, options, seed)
            count("models_trained")
    histories = {name: bundle.history for name, bundle in bundles.items()}
    return bundles, histories, {name: list(bundle.candidates) for name, bundle in bundles.items()}
