from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.llm.labels.options import LlmOptions

DEFAULTS = "75f294e8a8e11c60bea250d94a4a849183abf4b10b1512d2e71b1437d2f62a06"


def test_what_the_account_of_alpha_knows_of_the_options_stays() -> None:
    """It is part of a certification's question, so that another field or name would pay for all tests anew."""
    known = LlmOptions().model_dump(mode="json", exclude={"client", "max_clips"})
    assert json_sha256(known) == DEFAULTS
