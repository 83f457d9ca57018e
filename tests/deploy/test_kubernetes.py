"""Manifests fit Kubernetes' own schemas, and each other."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

FOLDER = Path("deploy/kubernetes")
VERSIONS = ("1.31", "1.34", "1.37")


def _resources(project_root: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted((project_root / FOLDER).glob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if "kind" in one:  # the adapter's values are no resource
                found[f"{path.stem} {one['kind']}"] = one
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_the_schema(project_root: Path, version: str) -> None:
    resources = _resources(project_root)
    assert len(resources) >= 8
    for name, one in resources.items():
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{name}: {error}")


def test_a_key_that_kubernetes_does_not_know_is_found(project_root: Path) -> None:
    deployment = _resources(project_root)["service Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessProbes"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenessProbes"):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_service_autoscaler_and_budget_mean_the_same_pods(project_root: Path) -> None:
    found = _resources(project_root)
    labels = found["service Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["service Service"]["spec"]["selector"].items() <= labels.items()
    assert found["service PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    target = found["service HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", found["service Deployment"]["metadata"]["name"])


@pytest.mark.parametrize("name", ["service Deployment", "project Deployment", "pipeline-job Job"])
def test_pods_mount_what_they_declare_and_have_no_rights(project_root: Path, name: str) -> None:
    pod = _resources(project_root)[name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert "memory" in container["resources"]["limits"]


def test_the_job_gives_kedro_only_what_is_asked(project_root: Path, tmp_path: Path) -> None:
    import subprocess

    (container,) = _resources(project_root)["pipeline-job Job"]["spec"]["template"]["spec"]["containers"]
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "activate").write_text(f'PATH="{binaries}:$PATH"\n')
    (binaries / "kedro").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (binaries / "kedro").chmod(0o755)
    for pipelines, words in (
        ("", "run|--env|cluster|"),
        ("collect,label", "run|--env|cluster|--pipelines|collect,label|"),
    ):
        environment = {"PATH": "/usr/bin:/bin", "ENVIRONMENT": "cluster", "PIPELINES": pipelines}
        done = subprocess.run(container["command"], cwd=tmp_path, env=environment, capture_output=True, check=True)
        assert done.stdout.decode() == words
