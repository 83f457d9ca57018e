from typing import Any

from cu_pipeline.core.capability import Capability


def active_capabilities(resolved: dict[str, Any]) -> dict[str, Capability]:
    """Read the capabilities that are trained, with their classes, from the `capabilities_resolved` dataset."""
    return {name: Capability.model_validate(value) for name, value in resolved["active"].items()}
