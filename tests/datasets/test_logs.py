import pytest

from cu_pipeline.core.errors import ConfigurationError, Reason
from cu_pipeline.datasets.logs import LogDataset
from cu_pipeline.ingest.probing import Probed

PROBES = "cu_pipeline.ingest.probing.ProbeLog"


def test_saving_appends_and_loading_gives_all(tmp_path):
    dataset = LogDataset(filepath=str(tmp_path / "probes.jsonl"), log=PROBES, metadata={"dvc": False})
    assert not dataset.exists()
    assert dataset.load() == {}
    records = [Probed(key, reason=Reason.EMPTY, detail="0 bytes") for key in ("a", "b")]
    dataset.save(records[:1])
    dataset.save(records[1:])
    assert dataset.exists()
    assert dataset.load() == {record.key: record for record in records}


@pytest.mark.parametrize("log", ["", "words", "cu_pipeline.absent.Log", "cu_pipeline.ingest.probing.Absent"])
def test_a_log_that_is_not_there_is_named_with_the_remedy(tmp_path, log):
    with pytest.raises(ConfigurationError, match=r"is not there.*Remedy: give the full name of a class"):
        LogDataset(filepath=str(tmp_path / "a.jsonl"), log=log)
