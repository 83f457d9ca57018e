from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.erasure.planting import plant

from cu_pipeline.core.paths import ROOT_VARIABLE


@pytest.fixture(scope="module")
def planted(
    tmp_path_factory: pytest.TempPathFactory, tracking_database: Path, write_film: Callable[..., Path],
    make_bundle: Callable[..., object],
) -> Iterator[Path]:  # fmt: skip
    """Give the folder of a project that holds two clips of the creator and three of others, everywhere."""
    root = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOT_VARIABLE, str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        plant(root, write_film, make_bundle, tracking_database)
        yield root
        import mlflow

        mlflow.set_tracking_uri(None)
