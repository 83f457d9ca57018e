import json

import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.iterate.state import Iteration, StateFile, Status, StepName

GOOD = (
    Iteration.begin(3, "neon", 1.5)
    .beginning(StepName.MONITOR)
    .ending(StepName.MONITOR, 2.0, {"a": [1]}, {}, StepName.DECIDE)
)


def test_what_is_written_is_read(tmp_path) -> None:
    file = StateFile(tmp_path / "iteration.json")
    assert file.read() is None
    waiting = GOOD.beginning(StepName.DECIDE).waiting(StepName.DECIDE, Status.WAITING, "for people")
    file.write(waiting)
    assert file.read() == waiting


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"number": None}, r"number: Input should be a valid integer \(not None\)"),
        ({"started": "yesterday"}, "started: .*Invalid isoformat"),
        ({"status": "runs"}, "status: Input should be 'running', 'waiting'"),
        ({"steps": [{"name": "monitor", "started": "", "facts": None}]}, r"steps\.0\.facts"),
        ({"steps": [{"name": "dance", "started": ""}]}, r"steps\.0\.name"),
        ({"later": 1}, "later: Unexpected keyword"),
        ({"format": 2}, "it is of another version"),
    ],
)
def test_what_was_edited_wrongly_is_told_with_the_remedy(tmp_path, change, told) -> None:
    file = StateFile(tmp_path / "iteration.json")
    file.write(GOOD)
    file.path.write_text(json.dumps(json.loads(file.path.read_text()) | change))
    with pytest.raises(StoreError, match=rf"does not tell where the last iteration stands \(.*{told}.*Remedy: move it"):
        file.read()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 1, "number": 1, "started": ""}'])
def test_a_file_that_holds_no_iteration_is_told_with_the_remedy(tmp_path, text) -> None:
    (tmp_path / "iteration.json").write_text(text)
    with pytest.raises(StoreError, match="Remedy: move it away"):
        StateFile(tmp_path / "iteration.json").read()
