"""The model families by name, and the parameters of training."""

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_serializer, model_validator
from pydantic_core import CoreSchema

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options, table_model
from cu_pipeline.models.ensemble import Ensemble
from cu_pipeline.models.family import Family
from cu_pipeline.models.fusion import Fusion, FusionOptions
from cu_pipeline.models.linear import Linear
from cu_pipeline.models.majority import Majority
from cu_pipeline.models.selection import SelectionOptions
from cu_pipeline.models.text_family import Text
from cu_pipeline.models.video_family import Video
from cu_pipeline.models.zero_shot import ZeroShot

FAMILIES: Final[dict[str, type[Family]]] = {
    "majority": Majority,
    "fusion": Fusion,
    "linear": Linear,
    "ensemble": Ensemble,
    "text": Text,
    "video": Video,
    "zero_shot": ZeroShot,
}
"""Every model family by name. A new one is a new file and a line here."""


def packages_of(name: str, model: Mapping[str, Any]) -> set[str]:
    """The packages that a fitted model needs to answer, beside those of the service.

    Args:
        name: of its family.
        model: what the family keeps beside the weights.
    """
    own = set(getattr(FAMILIES[name], "packages", ()))
    return own.union(*(packages_of(one["family"], one["model"]) for one in model.get("members", ())))


AUTO: Final = "auto"
"""In a family's place: the best of several, as cross-validation says."""


class _Common(Options):
    """What all families share."""

    family: str = AUTO
    threads: int = Field(0, ge=0)
    features_gb: float = Field(8.0, gt=0, allow_inf_nan=False)
    auto: SelectionOptions = SelectionOptions()

    @field_validator("family")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in (AUTO, *FAMILIES):
            raise ValueError(f"there is no such model family; allowed: {', '.join((AUTO, *FAMILIES))}")
        return name

    @field_validator("auto")
    @classmethod
    def _known_candidates(cls, given: SelectionOptions) -> SelectionOptions:
        if unknown := [name for name in given.candidates if name not in FAMILIES]:
            raise ValueError(f"candidates {unknown} are no model families; allowed: {', '.join(FAMILIES)}")
        return given


class TrainOptions(_Common):
    """Parameters of the train pipeline: the family in use, and a group of its name for each family.

    Attributes:
        family: a name of `FAMILIES`, or `auto`.
        threads: CPU threads; results repeat only at equal counts. 0: torch's own choice.
        features_gb: gigabytes of features that one model learns from at most; of more clips whole units are drawn.
        auto: how `auto` chooses.
        groups: family -> its parameters.
    """

    groups: dict[str, Any] = {}  # noqa: RUF012 - Pydantic copies it

    @property
    def candidates(self) -> dict[str, Options]:
        """The families that may be used with their parameters, the simplest first: one, unless it is `auto`."""
        return {name: self.groups.get(name) or FAMILIES[name].options() for name in self._in_use}

    @model_validator(mode="before")
    @classmethod
    def _by_table(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        parsed = _model().model_validate(_grouped(given))
        groups = {name: getattr(parsed, name) for name in FAMILIES if getattr(parsed, name) is not None}
        return parsed.model_dump(include=set(_Common.model_fields)) | {"groups": groups}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name in self._in_use:
            if not self.groups.get(name):
                needed = [one for one, field in FAMILIES[name].options.model_fields.items() if field.is_required()]
                if needed:
                    raise ValueError(
                        f"model family {name!r} needs {', '.join(f'train.{name}.{one}' for one in needed)}"
                    )
        return self

    @property
    def _in_use(self) -> tuple[str, ...]:
        return self.auto.candidates if self.family == AUTO else (self.family,)

    @model_serializer
    def _as_given(self) -> dict[str, Any]:
        """The form that parameters files have."""
        groups = {name: group.model_dump() for name, group in self.groups.items()}
        shared = {"family": self.family, "threads": self.threads, "features_gb": self.features_gb}
        return shared | {"auto": self.auto.model_dump(mode="json")} | groups

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The parameters that are allowed, for messages about others."""
        return handler(_model().__pydantic_core_schema__)


def family(name: str) -> Family:
    """Make the family `name`.

    Raises:
        ConfigurationError: there is no such family.
    """
    if name not in FAMILIES:
        raise ConfigurationError(f"model family {name!r} is unknown; allowed: {', '.join(FAMILIES)}")
    return FAMILIES[name]()


def _model() -> type[Options]:
    return table_model("Train", {name: one.options for name, one in FAMILIES.items()}, _Common)


def _grouped(given: dict[str, Any]) -> dict[str, Any]:
    """Put the parameters of the fusion head into its group: projects of before had no other family, and no groups."""
    flat = {name: value for name, value in given.items() if name in FusionOptions.model_fields}
    rest = {name: value for name, value in given.items() if name not in flat}
    return rest | {"fusion": dict(rest.get("fusion") or {}) | flat} if flat else rest
