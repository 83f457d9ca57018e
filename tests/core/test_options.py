import pytest
from pydantic import ValidationError

from cu_pipeline.core.options import Options


class Example(Options):
    size: int = 1


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="siez"):
        Example.model_validate({"siez": 2})


def test_options_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example().size = 2  # type: ignore[misc]
