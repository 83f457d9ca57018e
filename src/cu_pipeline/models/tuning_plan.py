"""What is tuned: parameters, and the name of the study that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from pydantic import Field, field_validator

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.models.families import FAMILIES, TrainOptions
from cu_pipeline.models.search_space import Dimension, SearchSpace, declared

_REVISION: Final = 1
"""Of the search; another one when the code gives other trials from the same inputs."""


class TuneOptions(Options):
    """Parameters of tuning.

    Attributes:
        capability: that is tuned for; None: all, each of which weighs alike.
        family: whose parameters are searched; None: that in use, the first that declares any where there are several.
        trials: after which a study is complete.
        minutes: after which a run begins no further fold.
        folds: of the cross-validation over units.
        pruning: p-value below which a trial is stopped that does worse than the best one on the folds so far, by
            Wilcoxon's signed-rank test; 0: none is.
        space: parameter -> what is tried; {}: what the family declares.
    """

    capability: str | None = None
    family: str | None = None
    trials: int = Field(20, ge=1)
    minutes: float = Field(60.0, gt=0)
    folds: int = Field(5, ge=2, le=20)
    pruning: float = Field(0.2, ge=0, lt=1)
    space: dict[str, Dimension] = {}  # noqa: RUF012 - Pydantic copies it

    @field_validator("family")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in FAMILIES:
            raise ValueError(f"there is no such model family; allowed: {', '.join(FAMILIES)}, or null")
        return name


@dataclass(frozen=True)
class TuningPlan:
    """What is tuned, and how.

    Attributes:
        options: of tuning.
        space: where is searched.
        training: the parameters of training.
    """

    options: TuneOptions
    space: SearchSpace
    training: TrainOptions

    @classmethod
    def of(cls, options: TuneOptions, training: TrainOptions) -> Self:
        """Plan to tune the family that is named, else the first in use that declares what to search.

        Raises:
            ConfigurationError: as `SearchSpace.of`.
        """
        used = list(training.candidates)
        name = options.family or next((one for one in used if declared(FAMILIES[one].options)), used[0])
        present = training.groups.get(name) or FAMILIES[name].options()
        return cls(options, SearchSpace.of(name, present, options.space), training)

    @property
    def is_used(self) -> bool:
        """Whether models are made of the family that is tuned."""
        return self.space.family in self.training.candidates

    @property
    def anchored(self) -> TrainOptions:
        """Parameters of training that follow from what is not searched alone."""
        group = {self.space.family: self.space.anchor.model_dump()}
        shared = {"threads": self.training.threads, "features_gb": self.training.features_gb}
        return TrainOptions.model_validate({"family": self.space.family} | shared | group)

    def study(self, fingerprints: Mapping[str, str]) -> str:
        """Name the study by all that decides its trials.

        Args:
            fingerprints: capability -> what models of it are learned from, with `anchored` parameters.
        """
        dimensions = {name: one.model_dump(mode="json") for name, one in self.space.dimensions.items()}
        how = [_REVISION, dict(fingerprints), dimensions, self.options.folds, self.options.pruning]
        return f"{self.space.family}-{json_sha256(how)[:12]}"
