from collections.abc import Mapping

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.resolved import ResolvedCapabilities


def asked_capabilities(resolved: ResolvedCapabilities, configured: Mapping[str, Capability]) -> dict[str, Capability]:
    """Give what people are asked about: every capability whose classes are known, from the feed or by configuration."""
    known = {**configured, **resolved.active}
    return {name: known[name] for name in configured if len(known[name].classes) >= _fewest(known[name])}


def _fewest(capability: Capability) -> int:
    return 2 if capability.kind is Kind.SINGLE else 1
