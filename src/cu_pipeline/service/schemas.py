from pydantic import BaseModel, Field


class Answer(BaseModel):
    """What one capability's model says about a clip."""

    label: str = Field(description="the decision; classes of a multi-label capability are joined by '|'")
    probabilities: dict[str, float] = Field(description="class -> probability")
    model_version: str = Field(description="content hash of the bundle that answered")


class Classification(BaseModel):
    """The answer to `POST /classify`."""

    capabilities: dict[str, Answer]
    request_id: str = Field(description="also in the prediction log")
    service_version: str


class Refusal(BaseModel):
    """The body of every 4xx answer that the service itself gives."""

    error: str = Field(description="what was wrong and what is allowed")
    reason: str = Field(description="a stable code")


class Model(BaseModel):
    """One model that the service answers with."""

    model_version: str
    kind: str = Field(description="single or multi")
    classes: list[str]


class Models(BaseModel):
    """The answer to `POST /models`."""

    capabilities: dict[str, Model]
    service_version: str
