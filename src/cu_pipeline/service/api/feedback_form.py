"""What a person says of an answer, and whether it can be meant."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cu_pipeline.core.capability import NONE, Kind
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.api.body import bad_request
from cu_pipeline.service.api.clips import problems
from cu_pipeline.service.refusal import Problem

ANSWER_ID: Final = r"^[A-Za-z0-9._:-]{1,136}$"
"""Of a request, or of a clip in one."""


class Feedback(BaseModel):
    """A correction, or a confirmation, by a person."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    request_id: str = Field(pattern=ANSWER_ID, description="of the answer that it is about")
    capability: str = Field(min_length=1, max_length=200)
    label: str = Field(
        min_length=1, max_length=2000, description="the right classes, several joined by '|'; 'none': none of them"
    )
    annotator: str | None = Field(default=None, min_length=1, max_length=200, description="who says so")
    comment: str | None = Field(default=None, max_length=2000)


def checked_feedback(body: dict[str, Any], bundles: Mapping[str, Bundle]) -> Feedback:
    """Check the body of a feedback.

    Raises:
        RefusedError: it is not as it must be, or its label is none of the capability's.
    """
    try:
        told = Feedback.model_validate(body, strict=True)
    except ValidationError as error:
        raise bad_request(problems(error)) from None
    if told.capability not in bundles:
        message = f"it is not served; there are {', '.join(bundles)}"
        raise bad_request([Problem(loc=["capability"], type="unknown_capability", msg=message)])
    bundle = bundles[told.capability]
    named = told.label.split("|")
    several = bundle.kind is Kind.MULTI
    right = set(named) <= set(bundle.classes) and len(set(named)) == len(named) and (several or len(named) == 1)
    if not right and not (several and told.label == NONE):
        form = "classes joined by '|', or 'none', of" if several else "one of"
        message = f"give {form} {', '.join(bundle.classes)}"
        raise bad_request([Problem(loc=["label"], type="unknown_label", msg=message)])
    return told
