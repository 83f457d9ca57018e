"""Linear experts, one for each view of a clip, whose opinions are pooled by what they are worth on unseen clips."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.options import Options
from cu_pipeline.core.progress import each
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.earlier_linear import EarlierLinearModel
from cu_pipeline.models.expert_pool import ExpertPool, cross_fitted_logits, even_pool, fit_pool
from cu_pipeline.models.expert_school import Expert, Lesson, School, Setting, Tried
from cu_pipeline.models.expert_views import View, load_reading, views_of
from cu_pipeline.models.family import Examples, Fitted, History, Logits, Weights, reads_forms
from cu_pipeline.models.folds import Fold, grouped_folds, sample_of_units
from cu_pipeline.models.logistic import MANY, Coefficients, hard_labels, levels
from cu_pipeline.models.search_space import Dimension, Searched

_WORTHLESS: Final = 1e-3
"""Weight below which an expert is left out of the model."""


class LinearOptions(Options):
    """Parameters of the linear experts.

    Attributes:
        strengths: inverse strengths of the L2 penalty that are tried for each expert, on clips of groups that it has
            not seen; the first where there are too few groups for that.
        folds: of the cross-validation.
        max_iterations: of the solver.
        sample: clips, about, on which strengths and the experts' weights are chosen where there are more; all clips
            are learned from then.
    """

    strengths: Annotated[
        tuple[float, ...], Searched(Dimension(low=0.1, high=1000, log=True, multiples=(1, 0.1, 10)))
    ] = Field((10.0, 1.0, 100.0), min_length=1)
    folds: Annotated[int, Searched(Dimension(low=3, high=10))] = Field(5, ge=2, le=20)
    max_iterations: int = Field(300, ge=10)
    sample: int = Field(5000, ge=100)


class LinearModel:
    """Fitted experts and their pool."""

    def __init__(self, experts: Sequence[Expert], pool: ExpertPool, kind: Kind) -> None:
        self._experts, self._pool, self._kind = experts, pool, kind

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes)."""
        scores = [one.scores(features, self._kind) for one in self._experts]
        shape = (0, len(features), len(self._pool.bias))
        return self._pool.logits(np.stack(scores) if scores else np.zeros(shape)).astype(np.float32)


class Linear:
    """L2-regularised logistic regressions, one for each view of each feature, and a logarithmic pool of them.

    Views are words and characters of texts, vectors, and statistics of sequences. The strength of each expert's
    penalty, and whether its classes are balanced, are those with the least loss on clips of groups that it has not
    seen; the pool's weights and biases are fitted on the same out-of-fold scores, and so come calibrated.
    """

    options: ClassVar[type[Options]] = LinearOptions
    revision: ClassVar[int | str] = "linear/4"

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """All vectors and texts."""
        return reads_forms(shapes, "vectors", "text")

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: LinearOptions, seed: int) -> Fitted:
        """Fit experts and pool on all clips; those of the validation split are learned from, too."""
        examples = train.joined(validation)
        asked = sample_of_units(examples.units, options.sample, seed)
        many = len(examples) > MANY
        panel = _Panel.of(examples.take(asked), kind, options, seed, many=many)
        answers = hard_labels(examples.targets, kind)
        school = School(answers, kind, options.max_iterations, ())
        experts = [
            _fitted(school, panel.lessons[place], panel.tried[place].setting, examples, many=many)
            for place in each(iter(panel.kept), "fit linear experts on all clips", len(panel.kept), "expert")
        ]
        held_out = None
        if panel.folds:
            held_out = np.full(examples.targets.shape, np.nan, dtype=np.float32)
            held_out[asked] = panel.held_out
        pool = ExpertPool(panel.pool.weights[panel.kept], panel.pool.bias)
        config = {"kind": kind.value, "experts": panel.told()}
        return Fitted(config, _weights(experts, pool), panel.history(), held_out)

    def refits(self, fitted: Fitted, examples: Examples, turns: Iterable[Fold], kind: Kind) -> Iterator[Logits]:
        """Fit the experts that were kept on the seen clips, each with its setting, and pool them as before.

        How each view is read follows from all clips, as their answers play no part in that. It takes a tenth of the
        time that choosing settings takes. They and the pool were chosen with the unseen clips among others, which
        makes the answers right by about a point more often than choosing anew does.
        """
        told = fitted.config.get("experts", ())
        if not told:
            return
        pool = _pool_of(fitted.weights)
        school = School(hard_labels(examples.targets, kind), kind, LinearOptions().max_iterations, ())
        views = [View(one["feature"], one["form"]) for one in told]
        lessons = [Lesson.of(view, examples.features, many=len(examples) > MANY) for view in views]
        settings = [Setting(one["strength"], balanced=one["balanced"]) for one in told]
        for turn in turns:
            scores = [school.asked(*parts, turn) for parts in zip(lessons, settings, strict=True)]
            yield pool.logits(np.stack(scores)).astype(np.float32)

    def load(self, config: dict[str, Any], weights: Weights) -> "LinearModel | EarlierLinearModel":
        """Take readings and coefficients."""
        if "inputs" in config:
            return EarlierLinearModel.load(config["inputs"], weights)
        experts = []
        try:
            for one in config["experts"]:
                view = View(one["feature"], one["form"])
                mine = {name.removeprefix(f"{view.name}/"): value for name, value in weights.items()
                        if name.startswith(f"{view.name}/")}  # fmt: skip
                coefficients = Coefficients(mine["slopes"].astype(np.float64), mine["intercepts"].astype(np.float64))
                experts.append(Expert(view, load_reading(view, mine), coefficients))
            pool = _pool_of(weights)
        except KeyError as error:
            raise BundleError(
                f"weights {sorted(weights)} are not those of these linear experts: {error} is absent"
            ) from error
        return LinearModel(experts, pool, Kind(config["kind"]))


def _fitted(school: School, lesson: Lesson, setting: Setting, examples: Examples, *, many: bool) -> Expert:
    """Fit an expert on all clips, whose matrix is held no longer than that takes."""
    whole = lesson if len(lesson.present) == len(examples) else Lesson.of(lesson.view, examples.features, many=many)
    return school.fitted(whole, setting)


@dataclass(frozen=True)
class _Panel:
    """What cross-validation says of all experts and of their pool.

    Attributes:
        folds: by which clips were held out.
        lessons: what each expert looked at.
        tried: what it is worth.
        pool: of them all.
        held_out: (n, classes): logits by experts and pools that have not seen a clip's unit.
    """

    folds: Sequence[Fold]
    lessons: Sequence[Lesson]
    tried: Sequence[Tried]
    pool: ExpertPool
    held_out: NDArray[np.float64]

    @classmethod
    def of(cls, examples: Examples, kind: Kind, options: LinearOptions, seed: int, *, many: bool) -> Self:
        """Choose each expert's setting, and weigh them."""
        answers = hard_labels(examples.targets, kind)
        folds = grouped_folds(examples.units, answers.truth, options.folds, seed)
        school = School(answers, kind, options.max_iterations, folds)
        views = [view for view in views_of(examples.features.features) if view.of(examples.features).present.any()]
        lessons, tried = [], []
        for view in each(iter(views), "fit linear experts", len(views), "expert"):
            lessons.append(Lesson.of(view, examples.features, many=many))
            tried.append(school.choose(lessons[-1], options.strengths))
        scores = np.stack([one.scores for one in tried]) if tried else np.zeros((0, *examples.targets.shape))
        pool = fit_pool(scores, answers, kind) if folds and tried else even_pool(len(tried), levels(answers, kind))
        return cls(folds, lessons, tried, pool, cross_fitted_logits(scores, answers, kind, folds))

    @property
    def kept(self) -> list[int]:
        """Places of the experts that are worth something."""
        return [place for place, weight in enumerate(self.pool.weights) if weight > _WORTHLESS]

    def told(self) -> list[dict[str, Any]]:
        """What a bundle says of the experts that are kept."""
        return [
            {
                "feature": self.lessons[place].view.feature,
                "form": self.lessons[place].view.form,
                "weight": round(float(self.pool.weights[place]), 4),
                "strength": self.tried[place].setting.strength,
                "balanced": self.tried[place].setting.balanced,
                "loss": round(self.tried[place].loss, 4) if self.folds else None,
            }
            for place in self.kept
        ]

    def history(self) -> History:
        """A record an expert."""
        return [
            {"epoch": number, "strength": one.setting.strength, "val_loss": one.loss}
            for number, one in enumerate(self.tried, 1)
            if self.folds
        ]


def _pool_of(weights: Weights) -> ExpertPool:
    return ExpertPool(weights["pool/weights"].astype(np.float64), weights["pool/bias"].astype(np.float64))


def _weights(experts: Sequence[Expert], pool: ExpertPool) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {
        "pool/weights": pool.weights.astype(np.float32),
        "pool/bias": pool.bias.astype(np.float32),
    }
    for one in experts:
        parts = one.reading.weights() | {
            "slopes": one.coefficients.slopes.astype(np.float32),
            "intercepts": one.coefficients.intercepts.astype(np.float32),
        }
        found |= {f"{one.view.name}/{part}": value for part, value in parts.items()}
    return found
