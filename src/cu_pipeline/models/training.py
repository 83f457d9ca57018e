import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.hashing import facts_sha256
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.features.clip_features import content_column, read_features, vector_bytes
from cu_pipeline.features.extractor import Extractor, form_of, shapes_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.calibration import calibrate
from cu_pipeline.models.families import AUTO, FAMILIES, TrainOptions, family
from cu_pipeline.models.family import Candidate, Examples, soft_targets
from cu_pipeline.models.folds import whole_units
from cu_pipeline.models.learned_clips import describe
from cu_pipeline.models.selection import Selection, Selector

_log = logging.getLogger(__name__)

_TEXT_BYTES: Final = 1300
"""What the words and characters of a caption take while a model learns from them."""

_MEMORY_OF_A_GB: Final = 1.7
_MEMORY_BESIDE_GB: Final = 1.3
"""Memory that training takes for each gigabyte of features, and beside them, as `make bench-scale-models` measured."""


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
    own = labels.loc[labels["capability"] == name, ["clip_id", "label", "probabilities", "source"]]
    learnable = clips["split"].isin([Split.TRAIN.value, Split.VALIDATION.value])
    usable = clips[learnable].merge(own, on="clip_id", validate="one_to_one").sort_values("clip_id", ignore_index=True)
    if not (usable["split"] == Split.TRAIN.value).any():
        raise ConfigurationError(
            f"capability {name!r}: none of its {int(clips['clip_id'].isin(own['clip_id']).sum())} labelled clips is in "
            "the training split. Label more clips, or raise the share of `train` in conf/base/parameters_collect.yml."
        )
    others = clips[(clips["split"] != Split.TEST.value) & ~clips["clip_id"].isin(usable["clip_id"])]
    unlabelled = set(content_keys(others)) - set(content_keys(usable)) if len(others) else set()
    return TrainingData(name, capability, usable, tuple(sorted(unlabelled)))


def affordable(data: TrainingData, extractors: Mapping[str, Extractor], options: TrainOptions) -> TrainingData:
    """Keep as many clips as have features of `options.features_gb`: whole units, of both splits their share.

    Which ones a hash of their names says, so that the next run of the same feed learns from the same clips.

    Args:
        data: of one capability.
        extractors: those in use.
        options: of training.

    Returns:
        The very data where they fit.
    """
    shapes = shapes_of(_read_by(_candidates(options, _applicable(data.clips, extractors)), extractors)).values()
    bytes_each = vector_bytes(shapes) + _TEXT_BYTES * sum(form_of(shape) == "text" for shape in shapes)
    most = options.features_gb * 1e9 / max(bytes_each, 1)
    _beware_of_memory(data.name, min(len(data.clips) * bytes_each / 1e9, options.features_gb))
    if len(data.clips) <= most:
        return data
    of_splits = [rows for _, rows in data.clips.groupby("split")]
    share = most / len(data.clips)
    drawn = [rows.iloc[whole_units(rows["group"], max(1, int(share * len(rows))))] for rows in of_splits]
    kept = pd.concat(drawn).sort_values("clip_id", ignore_index=True)
    _log.warning(
        "%s: of %s labelled clips %s are learned from: the features of all take %.3g GB, and train.features_gb is %g. "
        "Raise it where there is more memory",
        data.name,
        f"{len(data.clips):,}",
        f"{len(kept):,}",
        len(data.clips) * bytes_each / 1e9,
        options.features_gb,
    )
    return replace(data, clips=kept)


def _beware_of_memory(name: str, gigabytes: float) -> None:
    """Warn where so much of features may take more memory than the machine has."""
    import psutil

    needed, there = _MEMORY_BESIDE_GB + _MEMORY_OF_A_GB * gigabytes, psutil.virtual_memory().total / 1e9
    if needed > there:
        _log.warning(
            "%s: %.1f GB of features are learned from, for which training may take %.0f GB of memory, and this machine "
            "has %.0f. Where it is ended for that, lower train.features_gb",
            name,
            gigabytes,
            needed,
            there,
        )


def labelled_examples(
    data: TrainingData,
    store: FeatureStore,
    inputs: Mapping[str, FeatureInput],
    order: NDArray[np.int64] | None = None,
) -> Examples:
    """Read what a model learns from: features of the clips, and what it is to answer.

    Args:
        data: of one capability.
        store: with the features of its clips.
        inputs: the features to read.
        order: int64 (n): positions of the clips, in the order that the examples are to have; None: as they are.
    """
    columns = sorted({content_column(name) for name in inputs} | {"label", "probabilities"})
    rows = data.clips if order is None else data.clips[columns].iloc[order]
    groups = pd.factorize(data.clips["group"], sort=True)[0].astype(np.int64)
    return Examples(
        features=read_features(rows, store, inputs),
        targets=soft_targets(rows, data.capability),
        groups=groups if order is None else groups[order],
        classes=data.capability.classes,
        descriptions=data.capability.class_descriptions,
        inputs=inputs,
    )


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

    rows = data.clips[["media_sha256", "text_sha256", "split", "group", "label", "probabilities", "source"]]
    candidates = _candidates(options, _applicable(data.clips, extractors))
    read = _read_by(candidates, extractors)
    surroundings = {one.name: found for one in candidates if (found := one.options.surroundings())}
    described = data.capability.class_descriptions if any(map(_reads_descriptions, candidates)) else {}
    return facts_sha256(
        ({"descriptions": described} if described else {})
        | {
            "code": {one.name: one.learner.revision for one in candidates},
            "capability": [data.name, data.capability.kind.value, list(data.capability.classes), *_goal(data)],
            "rows": rows,
            "extractors": {name: one.identity.fingerprint for name, one in read.items()},
            "options": {one.name: one.options.model_dump() for one in candidates},
            "choice": options.auto.model_dump(mode="json") if options.family == AUTO else None,
            "seed": seed,
            "threads": options.threads or torch.get_num_threads(),
            "libraries": [torch.__version__, transformers.__version__],
        }
        | ({"surroundings": surroundings} if surroundings else {})
    )


def with_inputs_at_hand(bundle: Bundle, extractors: Mapping[str, Extractor]) -> Bundle:
    """Let a model that stays find its extractors where they are now: a checkpoint may lie in another folder.

    Args:
        bundle: a model whose features are those of `extractors`.
        extractors: those in use.
    """
    try:
        bundle.extractors()
    except BundleError:
        return replace(bundle, inputs={name: FeatureInput.of(extractors[name]) for name in bundle.inputs}, known_as="")
    return bundle


def with_reference(
    bundle: Bundle, data: TrainingData, store: FeatureStore, extractors: Mapping[str, Extractor]
) -> Bundle:
    """Describe with a model the clips that it learned from, unless that was done when it was trained.

    Args:
        bundle: the model.
        data: that it learned from.
        store: with the features of the clips.
        extractors: those in use.
    """
    if bundle.reference is not None:
        return bundle
    inputs = {name: FeatureInput.of(one) for name, one in extractors.items()}
    return bundle.described_by(describe(data.clips, store, bundle, inputs))


def train(
    data: TrainingData, store: FeatureStore, extractors: Mapping[str, Extractor], options: TrainOptions, seed: int
) -> Bundle:
    """Fit a model of the family in use, or of the best of several, and set its temperature and thresholds.

    Args:
        data: of one capability.
        store: with the features of its clips.
        extractors: those in use.
        options: of training.
        seed: of every random choice.

    Raises:
        ConfigurationError: no family in question reads any of the features in use.
    """
    capability, candidates = data.capability, _candidates(options, _applicable(data.clips, extractors))
    inputs = {name: FeatureInput.of(one) for name, one in _read_by(candidates, extractors).items()}
    _use_threads(options.threads)
    in_training = (data.clips["split"] == Split.TRAIN.value).to_numpy()
    order = np.r_[np.flatnonzero(in_training), np.flatnonzero(~in_training)]
    everything = labelled_examples(data, store, inputs, order)
    training, validation = everything.take(slice(in_training.sum())), everything.take(slice(in_training.sum(), None))
    if options.family == AUTO:
        selection = Selector(training, validation, capability.kind, seed).select(candidates, options.auto)
    else:
        selection = _only(candidates[0], training, validation, capability.kind, seed)
    chosen, fitted = selection.candidate, selection.fitted
    people = (data.clips["source"] == AnnotatorKind.HUMAN.value).to_numpy()[order]
    parts = (training.only(chosen.inputs), validation.only(chosen.inputs))
    set_on_unseen = calibrate(data.name, capability, (fitted, chosen.learner), parts, people)
    _log.info("%s: %s", data.name, _told(selection, training, validation))
    keys = content_keys(data.clips)
    learned_from, unseen = tuple(sorted(set(keys))), fitted.cross_fitted
    if unseen is not None:
        backwards = zip(keys.to_numpy()[order][::-1], range(len(order))[::-1], strict=True)
        place = dict(backwards)  # of several clips with one content the first counts
        unseen = unseen[[place[key] for key in learned_from]]
    bundle = Bundle(
        capability=data.name,
        kind=capability.kind,
        classes=capability.classes,
        family=chosen.name,
        model=fitted.config,
        weights=fitted.weights,
        inputs={name: inputs[name] for name in chosen.inputs},
        temperature=set_on_unseen.temperature,
        thresholds=set_on_unseen.thresholds,
        set_threshold=set_on_unseen.set_threshold,
        trained_on=fingerprint(data, extractors, options, seed),
        history=fitted.history,
        learned_from=learned_from,
        unlabelled=data.unlabelled,
        scope=capability.scope,
        decision=capability.decision,
        candidates=tuple(one.to_json() for one in selection.scores),
        cross_fitted=unseen,
    )
    return with_reference(bundle, data, store, extractors)


def _applicable(clips: pd.DataFrame, extractors: Mapping[str, Extractor]) -> dict[str, Extractor]:
    """The extractors whose content any clip has: a feed of texts has no frames, and needs no memory for them."""
    return {name: one for name, one in extractors.items() if (clips[content_column(name)] != "").any()}


def _candidates(options: TrainOptions, extractors: Mapping[str, Extractor]) -> list[Candidate]:
    """The families that may be used: of several those that read any of the features in use.

    Raises:
        ConfigurationError: there is none.
    """
    learners = {name: family(name) for name in options.candidates}
    shapes = shapes_of(extractors)
    found = [
        one
        for name, group in options.candidates.items()
        if (one := Candidate.of(name, learners[name], group, shapes)).inputs
    ]
    if not found:
        raise ConfigurationError(
            f"model family {' or '.join(map(repr, learners))} reads none of the features in use "
            f"({', '.join(extractors) or 'none'}): add one in conf/base/parameters_featurize.yml, or choose another "
            "family in conf/base/parameters_train.yml"
        )
    return found


def _read_by(candidates: list[Candidate], extractors: Mapping[str, Extractor]) -> dict[str, Extractor]:
    """The extractors that any of the families reads, in their order."""
    read = {name for one in candidates for name in one.inputs}
    return {name: one for name, one in extractors.items() if name in read}


def _reads_descriptions(candidate: Candidate) -> bool:
    """Whether what belongs to a class, in words, decides the model of a family or of one of its members."""
    names = [candidate.name, *getattr(candidate.options, "members", ())]
    return any(getattr(FAMILIES[name], "reads_descriptions", False) for name in names)


def _only(candidate: Candidate, training: Examples, validation: Examples, kind: Kind, seed: int) -> Selection:
    """Fit the one family that is wanted."""
    parts = (candidate.shown(training), candidate.shown(validation))
    return Selection(candidate, candidate.learner.fit(*parts, kind, candidate.options, seed), ())


def _told(selection: Selection, training: Examples, validation: Examples) -> str:
    how = f"{len(training)} clips to learn from, {len(validation)} to choose among epochs"
    if selection.fitted.cross_fitted is not None:
        how = f"{len(training) + len(validation)} clips to learn from, each predicted by models without its unit"
    losses = [f"{one.family} {one.loss:.3f}" for one in selection.scores if one.loss is not None]
    losses += sorted({one.note for one in selection.scores if one.note})
    return f"{how}; family {selection.candidate.name}" + (f" (loss: {', '.join(losses)})" if losses else "")


def _goal(data: TrainingData) -> list[dict[str, Any]]:
    """What thresholds are set for; nothing where there is no goal."""
    goal = data.capability.decision
    return [goal.model_dump(mode="json")] if goal.is_set else []


def _use_threads(threads: int) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)
