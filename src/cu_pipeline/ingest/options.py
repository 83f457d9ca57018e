from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from cu_pipeline.core.addresses import has_password
from cu_pipeline.core.options import Options, Share


def _listed(value: object) -> object:
    """Divide one text at its semicolons."""
    return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


def _without_password(place: str) -> str:
    if has_password(place):
        remedy = "Remedy: write {NAME} in its place, and the password into the environment variable NAME"
        raise ValueError(f"a password must not stand in a parameter, since parameters are recorded. {remedy}")
    return place


Place = Annotated[str, Field(min_length=1), AfterValidator(_without_password)]
Places = Annotated[tuple[Place, ...], BeforeValidator(_listed), Field(min_length=1)]
"""Where clips come from: a list, or one text with semicolons between the feeds."""


class FetchOptions(Options):
    """How media behind addresses are fetched.

    Attributes:
        threads: files at a time.
        attempts: how often a store is asked that does not answer or fails.
        backoff_s: seconds before the second attempt, give or take a half; doubled before each further one.
        recheck: whether stores are asked if a file that was fetched before has changed.
    """

    threads: int = Field(default=16, ge=1, le=256)
    attempts: int = Field(default=3, ge=1, le=20)
    backoff_s: float = Field(default=0.5, ge=0)
    recheck: bool = True


class LanguageOptions(Options):
    """Whether captions are named a language where the feed gives none.

    Attributes:
        enabled: off: only the feed's own tags.
        least_probability: how sure it must be; a less sure caption has no language, since a wrong one is worse.
    """

    enabled: bool = True
    least_probability: Share = 0.6
