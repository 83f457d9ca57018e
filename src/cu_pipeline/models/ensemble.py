"""Models of several families, pooled by what each is worth on clips that it has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.features.extractor import form_of
from cu_pipeline.models.cross_fitting import cross_fitted
from cu_pipeline.models.expert_pool import (
    ExpertPool,
    cross_fitted_logits,
    even_pool,
    fit_pool,
    standard_scores,
)
from cu_pipeline.models.family import Candidate, Examples, Fitted, Logits, Model, Weights
from cu_pipeline.models.folds import Fold, grouped_folds
from cu_pipeline.models.logistic import hard_labels, levels


class EnsembleOptions(Options):
    """Parameters of the ensemble.

    Attributes:
        members: family -> its parameters, {} for the defaults; null leaves one out.
        folds: of the cross-validation that weighs them.
    """

    members: dict[str, dict[str, Any]] = Field({"linear": {}, "fusion": {}}, min_length=1)
    folds: int = Field(5, ge=2, le=20)

    @field_validator("members", mode="before")
    @classmethod
    def _in_use(cls, given: Any) -> Any:
        """Leave out those that are null: environments can add to what another states, and take nothing away."""
        return {name: one for name, one in given.items() if one is not None} if isinstance(given, dict) else given

    @field_validator("members")
    @classmethod
    def _not_itself(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if "ensemble" in given:
            raise ValueError("an ensemble cannot be a member of itself")
        return given

    def surroundings(self) -> dict[str, str]:
        """Those of all members."""
        return {
            f"{name}/{what}": value
            for name, group in _groups(self).items()
            for what, value in group.surroundings().items()
        }


@dataclass(frozen=True)
class EnsembleModel:
    """Fitted members and their pool.

    Attributes:
        members: each with the features that it reads.
        pool: of their scores.
        kind: of the capability.
    """

    members: list[tuple[Model, list[str]]]
    pool: ExpertPool
    kind: Kind

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes)."""
        scores = [_scores(model.logits(features.only(inputs)), self.kind) for model, inputs in self.members]
        return self.pool.logits(np.stack(scores)).astype(np.float32)


class Ensemble:
    """Stacking: the members' cross-fitted predictions decide how much each counts in a logarithmic pool of them.

    Source: Wolpert, "Stacked Generalization" (Neural Networks, 1992).
    """

    options: ClassVar[type[Options]] = EnsembleOptions
    revision: ClassVar[int | str] = 1

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Everything: each member takes what it reads."""
        return list(shapes)

    def reads_with(self, shapes: Mapping[str, tuple[int, ...]], options: EnsembleOptions) -> list[str]:
        """Everything but pictures that no member reads: making them takes time where the model is served."""
        wanted = {name for one in _members(options, shapes) for name in one.inputs}
        return [name for name, shape in shapes.items() if form_of(shape) != "pictures" or name in wanted]

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: EnsembleOptions, seed: int) -> Fitted:
        """Fit members and pool.

        Raises:
            ConfigurationError: a member is no family, or has other parameters.
        """
        everything = train.joined(validation)
        answers = hard_labels(everything.targets, kind)
        folds = grouped_folds(everything.units, answers.truth, options.folds, seed)
        members = _members(options, everything.features.shapes)
        fits = [
            one.learner.fit(train.only(one.inputs), validation.only(one.inputs), kind, one.options, seed)
            for one in members
        ]
        pool, held_out = even_pool(len(members), levels(answers, kind) * 0), None
        if folds:
            logits = np.stack(
                [_unseen(one, fit, everything, folds, kind, seed) for one, fit in zip(members, fits, strict=True)]
            )
            rows = np.flatnonzero(np.isfinite(logits).all(axis=(0, 2)))
            scores = np.stack([_scores(one[rows], kind) for one in logits])
            pool = fit_pool(scores, answers.take(rows), kind)
            inner = grouped_folds(everything.units[rows], answers.truth[rows], options.folds, seed)
            held_out = np.full(everything.targets.shape, np.nan, dtype=np.float32)
            held_out[rows] = cross_fitted_logits(scores, answers.take(rows), kind, inner)
        config = {
            "kind": kind.value,
            "members": [
                {"family": one.name, "reads": one.inputs, "weight": round(float(weight), 4), "model": fit.config}
                for one, fit, weight in zip(members, fits, pool.weights, strict=True)
            ],
        }
        weights = {
            f"{one.name}/{key}": value
            for one, fit in zip(members, fits, strict=True)
            for key, value in fit.weights.items()
        }
        pooled = {"pool/weights": pool.weights.astype(np.float32), "pool/bias": pool.bias.astype(np.float32)}
        return Fitted(config, weights | pooled, [], held_out)

    def load(self, config: dict[str, Any], weights: Weights) -> EnsembleModel:
        """Make the members ready."""
        from cu_pipeline.models.families import family

        members = []
        try:
            for one in config["members"]:
                begins = f"{one['family']}/"
                mine = {name.removeprefix(begins): value for name, value in weights.items() if name.startswith(begins)}
                members.append((family(one["family"]).load(one["model"], mine), list(one["reads"])))
            pool = ExpertPool(weights["pool/weights"].astype(np.float64), weights["pool/bias"].astype(np.float64))
        except KeyError as error:
            raise BundleError(f"this is no whole ensemble: {error} is absent") from error
        return EnsembleModel(members, pool, Kind(config["kind"]))


def _members(options: EnsembleOptions, shapes: Mapping[str, tuple[int, ...]]) -> list[Candidate]:
    from cu_pipeline.models.families import family

    groups = {name: (family(name), group) for name, group in _groups(options).items()}
    return [
        Candidate(name, learner, group, inputs)
        for name, (learner, group) in groups.items()
        if (inputs := learner.reads(shapes))
    ]


def _groups(options: EnsembleOptions) -> dict[str, Options]:
    """The parameters of each member.

    Raises:
        ConfigurationError: a member is no family, or has other parameters.
    """
    from cu_pipeline.models.families import family

    found = {}
    for name, given in options.members.items():
        try:
            found[name] = family(name).options(**given)
        except ValueError as error:
            raise ConfigurationError(f"train.ensemble.members.{name}: {error}") from error
    return found


def _unseen(
    member: Candidate, fitted: Fitted, everything: Examples, folds: Sequence[Fold], kind: Kind, seed: int
) -> Logits:
    """A member's logits (n, classes) of clips by models that have not seen their units."""
    if fitted.cross_fitted is not None:
        return fitted.cross_fitted
    own = everything.only(member.inputs)
    return cross_fitted(member.learner, own, folds, kind, member.options, seed)


def _scores(logits: Logits, kind: Kind) -> NDArray[np.float64]:
    return standard_scores(logits.astype(np.float64), np.ones(len(logits), dtype=np.bool_), kind)
