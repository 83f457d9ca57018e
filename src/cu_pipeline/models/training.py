import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import Split
from cu_pipeline.features.clip_features import read_features
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.families import TrainOptions, family
from cu_pipeline.models.family import Examples, Family, Fitted, soft_targets
from cu_pipeline.models.logistic import hard_labels
from cu_pipeline.models.probabilities import logits_to_probabilities, temperature, thresholds

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """What one capability's head is trained on.

    Attributes:
        name: of the capability.
        capability: with its classes.
        clips: labelled clips outside the test split, joined with their labels, in the order of clip_id.
        unlabelled: sorted `content_keys` of the other clips outside the test split that the capability applies to.
    """

    name: str
    capability: Capability
    clips: pd.DataFrame
    unlabelled: tuple[str, ...] = ()


def training_data(name: str, capability: Capability, clips: pd.DataFrame, labels: pd.DataFrame) -> TrainingData:
    """Join clips with the labels of one capability; test clips are left out.

    Args:
        name: of the capability.
        capability: with its classes.
        clips: that it applies to.
        labels: of these and of others.

    Raises:
        ConfigurationError: no labelled clip is in the training split.
    """
    own = labels.loc[labels["capability"] == name, ["clip_id", "label", "probabilities"]]
    joined = clips.merge(own, on="clip_id", validate="one_to_one").sort_values("clip_id", ignore_index=True)
    usable = joined[joined["split"].isin([Split.TRAIN.value, Split.VALIDATION.value])]
    if not (usable["split"] == Split.TRAIN.value).any():
        raise ConfigurationError(
            f"capability {name!r}: none of its {len(joined)} labelled clips is in the training split. Label more "
            "clips, or raise the share of `train` in conf/base/parameters_collect.yml."
        )
    others = clips[(clips["split"] != Split.TEST.value) & ~clips["clip_id"].isin(usable["clip_id"])]
    unlabelled = set(content_keys(others)) - set(content_keys(usable))
    return TrainingData(name, capability, usable.reset_index(drop=True), tuple(sorted(unlabelled)))


def fingerprint(data: TrainingData, extractors: Mapping[str, Extractor], options: TrainOptions, seed: int) -> str:
    """Hash everything that decides a trained bundle: labels, units, features, options, seed, threads and libraries.

    Args:
        data: of one capability.
        extractors: those in use.
        options: of training.
        seed: of every random choice.
    """
    import torch
    import transformers

    rows = data.clips[["media_sha256", "text_sha256", "split", "group", "label", "probabilities"]]
    learner = family(options.family)
    return json_sha256(
        {
            "code": learner.revision,
            "capability": [data.name, data.capability.kind.value, list(data.capability.classes)],
            "rows": rows.to_numpy().tolist(),
            "extractors": {name: extractors[name].identity.fingerprint for name in learner.reads(extractors)},
            "options": options.chosen.model_dump() | {"threads": options.threads},
            "seed": seed,
            "threads": options.threads or torch.get_num_threads(),
            "libraries": [torch.__version__, transformers.__version__],
        }
    )


def train(
    data: TrainingData, store: FeatureStore, extractors: Mapping[str, Extractor], options: TrainOptions, seed: int
) -> Bundle:
    """Fit a model of the family in use and set its temperature and thresholds on the validation split.

    Args:
        data: of one capability.
        store: with the features of its clips.
        extractors: those in use.
        options: of training.
        seed: of every random choice.

    Raises:
        ConfigurationError: the family reads none of the features in use.
    """
    learner, capability = family(options.family), data.capability
    inputs = {name: FeatureInput.of(extractors[name]) for name in learner.reads(extractors)}
    if not inputs:
        raise ConfigurationError(
            f"model family {options.family!r} reads none of the features in use ({', '.join(extractors) or 'none'}): "
            "add one in conf/base/parameters_featurize.yml"
        )
    _use_threads(options.threads)
    groups = pd.factorize(data.clips["group"], sort=True)[0].astype(np.int64)
    everything = Examples(read_features(data.clips, store, inputs), soft_targets(data.clips, capability), groups)
    in_training = (data.clips["split"] == Split.TRAIN.value).to_numpy()
    validation = everything.take(np.flatnonzero(~in_training))
    training = everything.take(np.flatnonzero(in_training))
    fitted = learner.fit(training, validation, capability.kind, options.chosen, seed)
    scale, bars = _calibrated(fitted, training, validation, capability, learner)
    how = f"{len(training)} clips to learn from, {len(validation)} to choose among {len(fitted.history)} steps"
    if fitted.cross_fitted is not None:
        how = f"{len(everything)} clips to learn from, each predicted by models without its group"
    _log.info("%s: %s; family %s, temperature %.2f", data.name, how, options.family, scale)
    return Bundle(
        capability=data.name,
        kind=capability.kind,
        classes=capability.classes,
        family=options.family,
        model=fitted.config,
        weights=fitted.weights,
        inputs=inputs,
        temperature=scale,
        thresholds=bars,
        trained_on=fingerprint(data, extractors, options, seed),
        history=fitted.history,
        learned_from=tuple(sorted(set(content_keys(data.clips)))),
        unlabelled=data.unlabelled,
        scope=capability.scope,
    )


def _calibrated(
    fitted: Fitted, training: Examples, validation: Examples, capability: Capability, learner: Family
) -> tuple[float, dict[str, float]]:
    """Set temperature and thresholds on predictions of clips that the predicting model has not seen."""
    if fitted.cross_fitted is None:
        logits, targets = learner.load(fitted.config, fitted.weights).logits(validation.features), validation.targets
    else:
        answers = hard_labels(training.joined(validation).targets, capability.kind)
        logits, targets = fitted.cross_fitted, answers.truth.astype(np.float32)
    scale = temperature(logits, targets, capability.kind)
    if capability.kind is not Kind.MULTI:
        return scale, {}
    return scale, thresholds(logits_to_probabilities(logits, capability.kind, scale), targets, capability.classes)


def _use_threads(threads: int) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)
