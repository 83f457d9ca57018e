from collections.abc import Callable

import pandas as pd
import pytest

from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table

Opinion = tuple[str, str, str]


@pytest.fixture
def clips() -> Callable[[dict[str, str]], pd.DataFrame]:
    """Give a function from clip id -> caption to a clips table."""

    def build(captions: dict[str, str]) -> pd.DataFrame:
        blank = dict.fromkeys(("path", "media_sha256", "metadata"), "") | {"has_audio": False, "bytes": 0}
        return table([blank | {"clip_id": name, "text": text} for name, text in captions.items()], CLIPS)

    return build


@pytest.fixture
def votes() -> Callable[..., pd.DataFrame]:
    """Give a function from (clip, annotator, label) triples to a table of people's annotations."""

    def build(*opinions: Opinion, capability: str = "topic") -> pd.DataFrame:
        rows = [
            {"clip_id": clip, "capability": capability, "annotator": who, "kind": "human", "label": label}
            for clip, who, label in opinions
        ]
        return table(rows, ANNOTATIONS)

    return build
