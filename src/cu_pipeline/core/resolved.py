from typing import Any

from cu_pipeline.core.capability import Capability


def active_capabilities(resolved: dict[str, Any]) -> dict[str, Capability]:
    """Read the capabilities that are labelled, with their classes, from the `capabilities_resolved` dataset."""
    return {name: Capability.model_validate(value) for name, value in resolved["active"].items()}


def trained_capabilities(resolved: dict[str, Any]) -> dict[str, Capability]:
    """Read those of the active capabilities that are trained: the ones that do not wait for people's labels."""
    return {name: one for name, one in active_capabilities(resolved).items() if name not in waiting(resolved)}


def waiting(resolved: dict[str, Any]) -> dict[str, str]:
    """Read which active capabilities wait for people's labels, and why."""
    return dict(resolved.get("waiting", {}))
