"""`.ci/upgrade.py`: what a solution of versions becomes in constraints.txt."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def upgrade() -> ModuleType:
    spec = importlib.util.spec_from_file_location("upgrade", Path(__file__).parents[1] / ".ci" / "upgrade.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_solution_keeps_spelling_and_leaves_out_what_is_for_gpus(upgrade: ModuleType) -> None:
    before = {"PyYAML": "6.0.3", "torch": "2.13.0", "flufl.lock": "9.2.0", "pywin32": "311"}
    found = {"pyyaml": "6.0.4", "torch": "2.13.0+cpu", "flufl-lock": "9.2.0", "nvidia-nccl-cu13": "2", "newer": "1"}
    after = upgrade.merged(before, found)
    assert after == {"flufl.lock": "9.2.0", "newer": "1", "pywin32": "311", "PyYAML": "6.0.4", "torch": "2.13.0"}
    assert list(upgrade.told(before, after)) == ["newer: not there -> 1", "PyYAML: 6.0.3 -> 6.0.4"]


def test_the_projects_own_file_is_read_and_written_as_it_stands(upgrade: ModuleType, project_root: Path) -> None:
    text = (project_root / "constraints.txt").read_text()
    header, pins = upgrade.parsed(text)
    assert len(pins) > 300
    assert (
        "\n".join([*header, *(f"{name}=={version}" for name, version in upgrade.merged(pins, {}).items())]) + "\n"
        == text
    )
