from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability


@dataclass(frozen=True)
class ResolvedCapabilities:
    """Which capabilities the feed can teach, with their classes: what the `capabilities_resolved` dataset holds.

    Attributes:
        active: those that are labelled, by name.
        waiting: those of them that are not trained until people have labelled them, with the reason in words.
        skipped: those that are not labelled at all, with the reason in words.
        inapplicable: capability -> ids of the clips inside its scope to which people say that it does not apply.
    """

    active: dict[str, Capability] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    inapplicable: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def clips_of(self, name: str, clips: pd.DataFrame) -> pd.DataFrame:
        """Leave only the clips that an active capability applies to; the very table where it applies to all.

        All that labels, learns, measures or counts clips of a capability takes them from here.

        Args:
            name: of the capability.
            clips: rows of the table of clips.
        """
        inside = self.active[name].scope.within(clips)
        apart = self.inapplicable.get(name, ())
        return inside[~inside["clip_id"].isin(apart)] if apart else inside

    def without_inapplicable(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Leave out pairs of a clip and a capability that people say does not apply to it.

        Args:
            pairs: rows with `clip_id` and `capability`; the very table where there is no such answer.
        """
        apart = {(clip, name) for name, clips in self.inapplicable.items() for clip in clips}
        if not apart:
            return pairs
        kept = [pair not in apart for pair in zip(pairs["clip_id"], pairs["capability"], strict=True)]
        return pairs[kept].reset_index(drop=True)

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
        written = {"active": active, "waiting": dict(self.waiting), "skipped": dict(self.skipped)}
        apart = {name: list(clips) for name, clips in self.inapplicable.items() if clips}
        return written | ({"inapplicable": apart} if apart else {})

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote. Files of earlier versions may lack all but the active ones."""
        active = {name: Capability.model_validate(value) for name, value in record["active"].items()}
        apart = {name: tuple(clips) for name, clips in record.get("inapplicable", {}).items()}
        return cls(active, dict(record.get("waiting", {})), dict(record.get("skipped", {})), apart)


def outside_scope(
    pairs: pd.DataFrame, clips: pd.DataFrame, capabilities: Mapping[str, Capability]
) -> NDArray[np.bool_]:
    """Tell which pairs of a clip and a capability are outside the capability's configured scope, (pairs,).

    Args:
        pairs: rows with `clip_id` and `capability`.
        clips: the table of clips, or rows that will be clips.
        capabilities: by name; a pair of another one is not outside.
    """
    apart = np.zeros(len(pairs), dtype=np.bool_)
    for name, capability in capabilities.items():
        if capability.scope.is_limited:
            outside = clips.loc[(capability.scope.missed(clips) != "").to_numpy(), "clip_id"]
            apart |= ((pairs["capability"] == name) & pairs["clip_id"].isin(outside)).to_numpy(dtype=np.bool_)
    return apart
