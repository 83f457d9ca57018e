from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of every group of parameters: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
