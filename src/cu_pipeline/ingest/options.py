from pydantic import Field

from cu_pipeline.core.options import Options


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
