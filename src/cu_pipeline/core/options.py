from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole."""


class Options(BaseModel):
    """Base of every group of parameters: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
