"""A rollout: a challenger that is tried beside the champion on live traffic, as it is kept on disk."""

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.keys import file_key

VARIABLE: Final = "CU_PIPELINE_ROLLOUTS"
"""Environment variable that names the folder of rollouts."""

FOLDER: Final = "rollouts"
PLAN: Final = "rollout.json"

Role = Literal["champion", "challenger"]
Mode = Literal["shadow", "canary"]
Sticky = Literal["creator", "clip"]
Status = Literal["running", "promoted", "rolled_back", "stopped"]

Percent = Annotated[float, Field(gt=0, le=100)]
Share = Annotated[float, Field(gt=0, lt=1)]

_SEPARATOR: Final = "\x1f"  # no client's name of a creator or clip needs it
_RESOLUTION: Final = 2**64


class Limits(BaseModel):
    """When a rollout ends.

    Attributes:
        goal: what promotes: the challenger is shown to be better, or to be not worse than by `margin`.
        margin: of the share of right answers that `not_worse` gives away.
        alpha: chance at most that a challenger that is as good is rolled back, and, apart from that, is promoted.
        disagreement: share of answers in which the challenger may differ.
        errors: share of answers in which it may fail where the champion does not.
        latency: how many times as long as the champion half of its answers may take.
        units: creators with feedback before quality may decide.
        days: after so many without a decision it is rolled back.
        requests: or after so many answers by both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    goal: Literal["better", "not_worse"] = "better"
    margin: Share = 0.02
    alpha: Share = 0.05
    disagreement: Share = 0.5
    errors: Share = 0.01
    latency: Annotated[float, Field(gt=0)] = 3.0
    units: PositiveInt = 30
    days: Annotated[float, Field(gt=0)] = 14.0
    requests: PositiveInt = 100_000


class Rollout(BaseModel):
    """A challenger's trial.

    Attributes:
        capability: that both models recognise.
        challenger: version of its bundle, which lies beside this plan while the rollout runs.
        champion: version of the champion that it is held against.
        mode: shadow: the challenger's answers are only logged. canary: a share of the traffic gets them.
        percent: that share, of creators or clips; shadow: none get them.
        sticky: who gets always the same model: all clips of a creator, or each clip for itself.
        limits: when it ends.
        started: when.
        by: who started it.
        status: running, or how it ended.
        reason: for the end, in words.
        ended: when it ended; None: it runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    capability: str
    challenger: str
    champion: str
    mode: Mode = "shadow"
    percent: Percent = 10.0
    sticky: Sticky = "creator"
    limits: Limits = Limits()
    started: AwareDatetime
    by: str
    status: Status = "running"
    reason: str = ""
    ended: AwareDatetime | None = None

    @model_validator(mode="after")
    def _are_two(self) -> "Rollout":
        if self.champion == self.challenger:
            raise ValueError(f"{self.challenger} is the champion already")
        return self

    @property
    def id(self) -> str:
        """Names this trial; a later one of the same models draws its canary anew."""
        return f"{self.capability}/{self.challenger}/{self.started.timestamp():.3f}"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "running"

    def end(self, status: Status, reason: str, now: datetime) -> "Rollout":
        """The same rollout after its end."""
        return self.model_copy(update={"status": status, "reason": reason, "ended": now})


def sticky_key(creator: str, clip: str) -> str:
    """Make the key of a request that `assign` takes; "" where the client names neither.

    >>> sticky_key("", "")
    ''
    """
    return f"{creator}{_SEPARATOR}{clip}" if creator or clip else ""


def assign(rollout: Rollout, key: str) -> Role:
    """Say whose answer a request gets.

    The same key gets the same role as long as the rollout's percentage stays, and a larger percentage takes only
    champion's keys over: nobody is sent back and forth.

    Args:
        rollout: of the capability.
        key: a `sticky_key`, or any text that names the clip; "" is answered by the champion.

    >>> from datetime import UTC, datetime
    >>> rollout = Rollout(
    ...     capability="topic", challenger="b", champion="a", mode="canary", percent=50,
    ...     started=datetime(2026, 3, 4, tzinfo=UTC), by="ci",
    ... )
    >>> [assign(rollout, sticky_key(creator, "c1")) for creator in ("ann", "bob", "dan")]
    ['champion', 'champion', 'challenger']
    """
    if rollout.mode == "shadow" or not key:
        return "champion"
    creator, _, clip = key.partition(_SEPARATOR)
    who = (creator or clip) if rollout.sticky == "creator" else (clip or creator)
    digest = hashlib.sha256(f"{rollout.id}\n{who}".encode("utf-8", "replace")).digest()
    place = int.from_bytes(digest[:8], "big") / _RESOLUTION
    return "challenger" if place * 100 < rollout.percent else "champion"


def rollouts_folder(champions: Path) -> Path:
    """Find the folder of rollouts: what the environment names, else the one beside the champions.

    So a service that packs its champions follows no rollout of the project that it is started in.
    """
    return Path(os.environ.get(VARIABLE) or champions.with_name(FOLDER))


def place_of(folder: Path, capability: str) -> Path:
    """Where the rollout of a capability is kept, below the folder of all."""
    return folder / file_key(capability)


def write(place: Path, rollout: Rollout) -> None:
    """Keep a rollout."""
    write_text(place / PLAN, rollout.model_dump_json(indent=2) + "\n")


def read(place: Path) -> Rollout | None:
    """Read a rollout; None: there never was one.

    Raises:
        ConfigurationError: the file is damaged, or of another version.
    """
    try:
        return Rollout.model_validate_json((place / PLAN).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise ConfigurationError(
            f"{place / PLAN} is no plan of a rollout ({error}). Remedy: remove {place}, which ends that rollout"
        ) from error


def all_of(folder: Path) -> dict[str, Rollout]:
    """Read the last rollout of each capability, running or not.

    Raises:
        ConfigurationError: one is damaged.
    """
    found = [read(plan.parent) for plan in sorted(folder.glob(f"*/{PLAN}")) if not plan.parent.name.startswith(".")]
    return {one.capability: one for one in found if one is not None}


def running(folder: Path) -> dict[str, Rollout]:
    """Read the rollouts that run, by capability.

    Raises:
        ConfigurationError: one is damaged.
    """
    return {name: one for name, one in all_of(folder).items() if one.is_running}
