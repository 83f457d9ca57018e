import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import Reason, StoreError
from cu_pipeline.ingest.probing import Probed, ProbeLog
from cu_pipeline.media.probe import MediaFacts

FACTS = MediaFacts(1.5, 64, 48, 25.0, "h264", True, 1234, "ab" * 32, 0)
GOOD = Probed("k1", facts=FACTS)
BAD = Probed("k2", reason=Reason.TRUNCATED, detail="cut — off\n")


def test_what_is_appended_is_read_back(tmp_path):
    log = ProbeLog(tmp_path / "folder" / "probes.jsonl")
    assert log.read() == {}
    log.append([GOOD])
    log.append([BAD])
    assert log.read() == {"k1": GOOD, "k2": BAD}


def test_appending_nothing_makes_an_empty_log_and_changes_no_byte(tmp_path):
    path = tmp_path / "probes.jsonl"
    ProbeLog(path).append([])
    assert path.read_bytes() == b""
    ProbeLog(path).append([GOOD])
    before = path.read_bytes()
    ProbeLog(path).append([])
    assert path.read_bytes() == before


@given(st.integers(min_value=0))
def test_a_crash_while_writing_loses_only_the_last_record(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("log") / "probes.jsonl"
    log = ProbeLog(path)
    log.append([GOOD])
    whole = path.read_bytes()
    log.append([BAD])
    path.write_bytes(path.read_bytes()[: len(whole) + cut % (path.stat().st_size - len(whole))])
    assert log.read() == {"k1": GOOD}
    log.append([BAD])
    assert log.read() == {"k1": GOOD, "k2": BAD}


def test_a_damaged_line_names_itself_and_the_remedy(tmp_path):
    path = tmp_path / "probes.jsonl"
    ProbeLog(path).append([GOOD])
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(StoreError, match=r"line 2 is damaged \(.*\): delete the file"):
        ProbeLog(path).read()
