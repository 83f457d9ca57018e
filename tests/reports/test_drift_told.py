import json

import pytest
from tests.drift_files import drift_told, one_test

from cu_pipeline.core.errors import StoreError
from cu_pipeline.reports.drift_told import read_drift, read_drift_file


def test_what_is_not_known_is_left_out_and_the_surest_drift_comes_first():
    tests = [one_test("a"), one_test("b", drifted=True), one_test("c", drifted=True, p_adjusted=0.001)]
    told = read_drift(drift_told(tests=tests, of_a_later_version=1))
    assert [test.name for test in told.drifted] == ["c", "b"]
    assert told.least_p == 0.001
    assert told.window("latest").clips == 40


def test_an_earlier_version_is_told_with_the_remedy(tmp_path):
    file = tmp_path / "drift.json"
    with pytest.raises(StoreError, match="nothing was monitored yet"):
        read_drift_file(file)
    file.write_text(json.dumps({"decision": "no_drift", "tests": []}))
    with pytest.raises(StoreError, match=r"drift\.json is of another version .*PIPELINES=monitor"):
        read_drift_file(file)
    file.write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        read_drift_file(file)


@pytest.mark.parametrize("found", [[], None, "drift", 7])
def test_what_is_no_decision_is_told_with_the_remedy(found):
    with pytest.raises(StoreError, match=r"drift\.json is of another version .*PIPELINES=monitor"):
        read_drift(found)
