from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole."""


class Options(BaseModel):
    """Base of every group of parameters: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def surroundings(self) -> dict[str, str]:
        """What else decides results: hashes of the files that parameters name, the kind of a device."""
        return {}


def table_model(name: str, groups: Mapping[str, type[Options]], base: type[Options] = Options) -> type[Options]:
    """Make the model of parameters that have an optional group for each row of a table.

    Args:
        name: of the model.
        groups: row -> the model of its group; a group that is left out, or null, is None.
        base: with the fields that stand beside the groups.
    """
    fields: dict[str, Any] = {row: (model | None, None) for row, model in groups.items()}
    made: type[Options] = create_model(name, __base__=base, **fields)
    return made
