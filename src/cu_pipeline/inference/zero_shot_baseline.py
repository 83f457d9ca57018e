import logging
from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core.capability import Capability, indicators
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.features.clip_features import read_features
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.family import Examples
from cu_pipeline.models.probabilities import logits_to_probabilities
from cu_pipeline.models.zero_shot import ZeroShot, ZeroShotOptions

NAME = "zero_shot"

_log = logging.getLogger(__name__)


def zero_shot_answers(
    clips: Mapping[str, pd.DataFrame],
    capability: Capability,
    inputs: Mapping[str, FeatureInput],
    store: FeatureStore,
    seed: int,
) -> ScoredClips | None:
    """What an image-text model says of test clips by the names of the classes, beside the truth.

    Args:
        clips: `train`, which say how sure it may be, and `test`; rows of the table of clips with the truth in `label`.
        capability: with its classes, and their descriptions.
        inputs: the features that are stored.
        store: with them.
        seed: of the folds.

    Returns:
        None where no stored feature is of such a model, or its checkpoint is not at hand.
    """
    learner = ZeroShot()
    read = {name: inputs[name] for name in learner.reads({name: one.shape for name, one in inputs.items()})}
    if not read:
        return None
    train, test = (_examples(clips[split], capability, read, store) for split in ("train", "test"))
    try:
        fitted = learner.fit(train, train.take([]), capability.kind, ZeroShotOptions(), seed)
    except (BundleError, ConfigurationError) as error:
        _log.warning("the baseline %s is not measured: %s", NAME, error)
        return None
    logits = learner.load(fitted.config, fitted.weights).logits(test.features)
    probabilities = logits_to_probabilities(logits, capability.kind, 1.0)
    return ScoredClips.decide(capability.kind, test.targets.astype(bool), probabilities)


def _examples(
    clips: pd.DataFrame, capability: Capability, inputs: Mapping[str, FeatureInput], store: FeatureStore
) -> Examples:
    return Examples(
        features=read_features(clips, store, inputs),
        targets=indicators(clips["label"], capability).astype("float32"),
        classes=capability.classes,
        descriptions=capability.class_descriptions,
        inputs=inputs,
    )
