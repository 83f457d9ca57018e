import numpy as np
import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.datasets.feature_store import FeatureStoreDataset, place_of
from cu_pipeline.features.extractor import FeatureChunk, Identity
from cu_pipeline.tracking.configuration import ProjectConfigLoader

CHUNK = FeatureChunk(Identity("toy", 1, (2,), "w"), ["a"], np.ones((1, 2), dtype=np.float32))


def test_features_on_a_shared_place_leave_an_output_that_stays_the_same(bucket, tmp_path):
    folder = tmp_path / "04_feature"
    dataset = FeatureStoreDataset(filepath=str(folder), place=f"{bucket}/features")
    assert dataset.exists()
    dataset.load()
    (record,) = folder.iterdir()
    before = record.read_bytes()
    dataset.save(CHUNK)
    assert (list(folder.iterdir()), record.read_bytes()) == ([record], before)
    assert place_of(folder) == f"{bucket}/features"
    assert dataset.load().missing(CHUNK.identity, ["a", "b"]) == ["b"]


def test_whoever_lacks_the_setting_is_told_where_the_features_lie(tmp_path, caplog):
    (tmp_path / "store.json").write_text('{"features": "s3://team/features"}')
    dataset = FeatureStoreDataset(filepath=str(tmp_path))
    assert dataset.load().missing(CHUNK.identity, ["a"]) == ["a"]
    assert "features lie on s3://team/features, but the parameter `stores.features` is not set" in caplog.text


def test_the_catalog_takes_the_place_from_the_parameters(project_root):
    loader = ProjectConfigLoader(
        str(project_root / "conf"),
        env="ci",
        base_env="base",
        default_run_env="local",
        runtime_params={"stores": {"features": "s3://team/features/"}},
        merge_strategy={"parameters": "soft"},
    )
    for name in ("features", "feature_cache"):
        assert loader["catalog"][name]["place"] == "s3://team/features"
        assert loader["catalog"][name]["filepath"] == "data/04_feature"


@pytest.mark.parametrize(
    ("address", "problem"),
    [("data/features", "allowed is an address such as s3://"), ("ftp://me:secret@host/a", "has a password in it")],
)
def test_a_place_that_is_none_is_refused(project_root, address, problem):
    loader = ProjectConfigLoader(
        str(project_root / "conf"), env="ci", base_env="base", default_run_env="local",
        runtime_params={"stores": {"features": address}}, merge_strategy={"parameters": "soft"},
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match=problem) as error:
        loader["catalog"]
    assert str(error.value).startswith("parameter 'stores.features' = ")
    assert "secret" not in str(error.value)
