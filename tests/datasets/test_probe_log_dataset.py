from cu_pipeline.core.errors import Reason
from cu_pipeline.datasets.probe_log import ProbeLogDataset
from cu_pipeline.media.probe_log import Probed


def test_saving_appends_and_loading_gives_all(tmp_path):
    dataset = ProbeLogDataset(filepath=str(tmp_path / "probes.jsonl"), metadata={"dvc": False})
    assert not dataset.exists()
    assert dataset.load() == {}
    records = [Probed(key, reason=Reason.EMPTY, detail="0 bytes") for key in ("a", "b")]
    dataset.save(records[:1])
    dataset.save(records[1:])
    assert dataset.exists()
    assert dataset.load() == {record.key: record for record in records}
