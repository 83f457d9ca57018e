"""Rules and dashboard: they parse, name metrics that exist, and each alert has a runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from cu_pipeline.cli.project_metrics import ProjectMetrics
from cu_pipeline.service.metrics import Metrics

RULES = Path("deploy/prometheus/rules.yml")
DASHBOARD = Path("deploy/grafana/dashboard.json")
SUFFIXES = ("_bucket", "_sum", "_count")


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    return found


def _expressions(project_root: Path) -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((project_root / RULES).read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in json.loads((project_root / DASHBOARD).read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def _known(tmp_path: Path) -> set[str]:
    """Names that the service and `kedro metrics` give, from what they render."""
    service = Metrics(tmp_path / "metrics", "1")
    service.request("/classify", "POST", 200, 0.1)
    service.refusal("busy")
    service.prediction("topic", "pets", "v1", 0.9)
    service.batch("encode", 4)
    service.queue("video", 1)
    service.shadow("topic", agrees=True, seconds=0.1)
    text = service.render().decode()
    service.close()
    from tests.project_files import full_project

    registry = CollectorRegistry(auto_describe=False)
    registry.register(ProjectMetrics(full_project(tmp_path / "project")))
    text += generate_latest(registry).decode()
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def test_rules_and_dashboard_name_metrics_that_exist(project_root: Path, tmp_path: Path) -> None:
    known = _known(tmp_path)
    recorded = {name for name, _ in _expressions(project_root) if ":" in name}
    for name, expression in _expressions(project_root):
        asked = set(re.findall(r"\bcu_pipeline[a-z0-9_:]+", re.sub(r"\"[^\"]*\"", "", expression)))
        assert asked or "up{" in expression, name
        assert asked - known - recorded == set(), name


def test_each_alert_has_a_runbook_and_each_runbook_an_alert(project_root: Path) -> None:
    rules = [one for group in yaml.safe_load((project_root / RULES).read_text())["groups"] for one in group["rules"]]
    alerts = {one["alert"]: one["annotations"]["runbook"] for one in rules if "alert" in one}
    headings = re.findall(r"^## (.+)$", (project_root / "docs/runbooks.md").read_text(), re.MULTILINE)
    assert set(headings) - {"Going back", "Setting up"} == set(alerts)
    assert alerts == {name: f"docs/runbooks.md#{name.lower()}" for name in alerts}


def test_promtool_takes_the_rules_and_they_fire_as_written(project_root: Path, promtool: str) -> None:
    for asked in (
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules_test.yml", "rules_test_days.yml"],
        ["check", "config", "prometheus.yml"],
    ):
        done = subprocess.run(
            [promtool, *asked], cwd=project_root / RULES.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_can_read_the_dashboards_expressions(project_root: Path, tmp_path: Path, promtool: str) -> None:
    panels = json.loads((project_root / DASHBOARD).read_text())["panels"]
    asked = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel.get("targets", [])
    ]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", "panels.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout + done.stderr


def test_panels_do_not_overlap(project_root: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in json.loads((project_root / DASHBOARD).read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
