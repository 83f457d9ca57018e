import os
from pathlib import Path

import pytest

from cu_pipeline.core.telemetry import SWITCHES, switch_off


def test_every_switch_is_set_even_where_it_was_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SWITCHES:
        monkeypatch.setenv(name, "0")
    switch_off()
    assert {name: os.environ[name] for name in SWITCHES} == SWITCHES


def test_make_sets_the_same_switches(project_root: Path) -> None:
    exports = [line.removeprefix("export ") for line in (project_root / "Makefile").read_text().splitlines()]
    found = dict(line.split(" := ", 1) for line in exports if " := " in line)
    assert SWITCHES.items() <= found.items()
