from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cu_pipeline.core.capability import Capability


@dataclass(frozen=True)
class ResolvedCapabilities:
    """Which capabilities the feed can teach, with their classes: what the `capabilities_resolved` dataset holds.

    Attributes:
        active: those that are labelled, by name.
        waiting: those of them that are not trained until people have labelled them, with the reason in words.
        skipped: those that are not labelled at all, with the reason in words.
    """

    active: dict[str, Capability] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def trained(self) -> dict[str, Capability]:
        """The active capabilities that do not wait for people's labels."""
        return {name: one for name, one in self.active.items() if name not in self.waiting}

    @property
    def configured(self) -> set[str]:
        """All that the project names, whether or not the feed can teach it now."""
        return {*self.active, *self.skipped}

    def as_json(self) -> dict[str, Any]:
        """Write them for a file."""
        active = {name: one.model_dump(mode="json") for name, one in self.active.items()}
        return {"active": active, "waiting": dict(self.waiting), "skipped": dict(self.skipped)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote. Files of earlier versions may lack what waits."""
        active = {name: Capability.model_validate(value) for name, value in record["active"].items()}
        return cls(active, dict(record.get("waiting", {})), dict(record.get("skipped", {})))
