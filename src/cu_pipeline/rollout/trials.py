"""Starting, changing and ending a rollout in its folder, one process at a time."""

import fcntl
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.atomic import replace_folder, temporary_beside, write_text
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.rollout import plan
from cu_pipeline.rollout.evidence import Evidence
from cu_pipeline.rollout.plan import Rollout, Status, place_of

if TYPE_CHECKING:
    from cu_pipeline.models.bundle import Bundle

EVIDENCE: Final = "evidence.json"
"""What the service has found so far, for people who ask."""

_LOCK: Final = ".lock"


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Keep other processes from changing rollouts meanwhile; waits for them.

    Args:
        folder: of all rollouts; made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start(folder: Path, rollout: Rollout, challenger: "Bundle") -> None:
    """Put a challenger and its plan where services look; what a former rollout left is replaced.

    Raises:
        ConfigurationError: one of this capability runs already.
    """
    place = place_of(folder, rollout.capability)
    with changing(folder):
        former = plan.read(place)
        if former is not None:
            check_none_runs(former)
        fresh = temporary_beside(place)
        try:
            challenger.save(fresh)
            plan.write(fresh, rollout)
            if not replace_folder(fresh, place):
                shutil.rmtree(place)
                fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def check_none_runs(former: Rollout) -> None:
    """Check that a rollout is over, so that another may start.

    Raises:
        ConfigurationError: it runs.
    """
    if former.is_running:
        raise ConfigurationError(
            f"{former.capability}: a rollout of {former.challenger} runs since {former.started:%Y-%m-%d %H:%M} UTC. "
            f"Remedy: wait for its end, or `kedro rollout stop {shlex.quote(former.capability)}`"
        )


def still_running(folder: Path, rollout: Rollout) -> Rollout:
    """Read a rollout as it is now.

    Raises:
        ConfigurationError: it has ended.
    """
    present = running(folder, rollout.capability)
    if present.id != rollout.id:
        raise ConfigurationError(f"{rollout.capability}: that rollout has ended, and another one runs")
    return present


def running(folder: Path, capability: str) -> Rollout:
    """Find the rollout of a capability that runs.

    Raises:
        ConfigurationError: there is none.
    """
    found = plan.read(place_of(folder, capability))
    if found is None or not found.is_running:
        others = ", ".join(sorted(plan.running(folder))) or "none"
        ended = "" if found is None else f" any more: {found.status.replace('_', ' ')}, {found.reason}"
        raise ConfigurationError(f"{capability}: no rollout runs{ended}. Rollouts that run: {others}")
    return found


def set_percent(folder: Path, capability: str, percent: float) -> Rollout:
    """Give the challenger of a canary more or less of the traffic; a shadow becomes a canary.

    Raises:
        ConfigurationError: no rollout runs, or the percentage is not above 0 and at most 100.
    """
    if not 0 < percent <= 100:
        raise ConfigurationError(f"percent={percent:g}: give a number above 0 and at most 100")
    with changing(folder):
        changed = running(folder, capability).model_copy(update={"percent": percent, "mode": "canary"})
        plan.write(place_of(folder, capability), changed)
    return changed


def finish(folder: Path, rollout: Rollout, status: Status, reason: str, now: datetime) -> Rollout:
    """End a rollout and take its challenger away; the plan stays and says how it ended. For use inside `changing`."""
    place = place_of(folder, rollout.capability)
    ended = rollout.end(status, reason, now)
    plan.write(place, ended)
    for file in place.iterdir():
        if file.name not in {plan.PLAN, EVIDENCE}:
            file.unlink()
    return ended


def keep_evidence(folder: Path, capability: str, evidence: Evidence) -> None:
    """Keep what a service has found so far."""
    write_text(place_of(folder, capability) / EVIDENCE, evidence.model_dump_json() + "\n")


def read_evidence(folder: Path, capability: str) -> Evidence | None:
    """Read what a service has found so far; None: none has looked yet."""
    with suppress(OSError, ValueError):
        return Evidence.model_validate_json((place_of(folder, capability) / EVIDENCE).read_bytes())
    return None


def holds_challenger(place: Path) -> bool:
    """Whether the challenger lies beside the plan."""
    from cu_pipeline.models.bundle import CONFIG  # loads much, which those who only ask for the state need not

    return (place / CONFIG).is_file()
