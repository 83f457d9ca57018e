"""The end of a rollout: the ledger of promotions, the folder of champions, the rollout's own folder, in this order.

Whatever kills it in between, the next look completes it, since the ledger is ahead of the champions and both are ahead
of the rollout's status.
"""

import json
import os
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.core.keys import file_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.models.bundle import CONFIG, Bundle
from cu_pipeline.models.bundle_folder import replace_bundle
from cu_pipeline.rollout import trials
from cu_pipeline.rollout.plan import Rollout, Status, place_of
from cu_pipeline.tracking.promotions import Promotion, of_capability
from cu_pipeline.tracking.run_lock import RunLock

_LEDGER: Final = "promotions.jsonl"


def served_version(champions: Path, capability: str) -> str | None:
    """Version of the bundle that is served of a capability, as its file says; None: there is none."""
    try:
        told = json.loads((champions / file_key(capability) / CONFIG).read_bytes())
        return str(told["version"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def replaced_by(champions: Path, rollout: Rollout) -> str | None:
    """What has taken the place of a rollout's champion, by what is served; None: it is champion still."""
    served = served_version(champions, rollout.capability)
    return None if served in {None, rollout.champion} else served


def why_fixed(champions: Path) -> str:
    """Say why champions cannot be changed here; "": they can."""
    if not os.access(champions, os.W_OK):
        return f"{champions} cannot be written"
    if not (champions.parent / _LEDGER).is_file():
        return f"there is no ledger of promotions beside {champions}"
    return ""


def promote(folder: Path, champions: Path, rollout: Rollout, reason: str) -> Rollout:
    """Make the challenger champion; where champions cannot be changed, only end the rollout and say so.

    Args:
        folder: of all rollouts.
        champions: folder of the bundles that are served.
        rollout: that ends.
        reason: in words.

    Raises:
        RunInProgressError: a run or a command writes to the project just now.
        ConfigurationError: the rollout has ended already.
        BundleError: the challenger's files are damaged.
    """
    if fixed := why_fixed(champions):
        told = f"{reason}. It was not made champion: {fixed}. Remedy, in the project: {_by_hand(rollout)}"
        return _ended(folder, rollout, "stopped", told)
    lock = RunLock(project_root(), {"deliver"})
    lock.acquire()
    try:
        if replaced_by(champions, rollout) not in {None, rollout.challenger}:
            return stop_replaced(folder, champions, rollout)
        with trials.changing(folder):
            present = trials.still_running(folder, rollout)
            challenger = _challenger(folder, rollout)
            entry = Promotion.now(rollout.capability, (rollout.champion, rollout.challenger), "rollout", reason)
            _enter(champions, entry)
            place = champions / file_key(rollout.capability)
            if served_version(champions, rollout.capability) != challenger.version:
                replace_bundle(place, challenger.scoped(Bundle.load(place).scope))
            return trials.finish(folder, present, "promoted", reason, datetime.now(UTC))
    finally:
        lock.release()


def roll_back(folder: Path, champions: Path, rollout: Rollout, reason: str, *, refused: bool) -> Rollout:
    """Take the challenger away.

    Args:
        folder: of all rollouts.
        champions: folder of the bundles that are served.
        rollout: that ends.
        reason: in words.
        refused: whether the ledger is to say so, so that the gate does not promote the challenger by itself.

    Raises:
        RunInProgressError: a run or a command writes to the project just now.
        ConfigurationError: the rollout has ended already.
    """
    if not refused or why_fixed(champions):
        return _ended(folder, rollout, "rolled_back", reason)
    lock = RunLock(project_root(), {"deliver"})
    lock.acquire()
    try:
        trials.still_running(folder, rollout)
        both = (rollout.champion, rollout.champion)
        entry = Promotion.now(rollout.capability, both, "rollout", f"rolled back: {reason}")
        _enter(champions, replace(entry, refused=rollout.challenger))
        return _ended(folder, rollout, "rolled_back", reason)
    finally:
        lock.release()


def stop(folder: Path, rollout: Rollout, reason: str) -> Rollout:
    """End a rollout without a decision."""
    return _ended(folder, rollout, "stopped", reason)


def stop_replaced(folder: Path, champions: Path, rollout: Rollout) -> Rollout:
    """End a rollout whose champion is another model now."""
    served = replaced_by(champions, rollout)
    if served == rollout.challenger:
        return _ended(folder, rollout, "promoted", "it was made champion meanwhile")
    return stop(folder, rollout, f"its champion {rollout.champion} was replaced by {served}")


def _ended(folder: Path, rollout: Rollout, status: Status, reason: str) -> Rollout:
    with trials.changing(folder):
        present = trials.still_running(folder, rollout)
        return trials.finish(folder, present, status, reason, datetime.now(UTC))


def _challenger(folder: Path, rollout: Rollout) -> Bundle:
    bundle = Bundle.load(place_of(folder, rollout.capability))
    if bundle.version != rollout.challenger or bundle.capability != rollout.capability:
        raise BundleError(f"{place_of(folder, rollout.capability)} holds {bundle.version}, not {rollout.challenger}")
    return bundle


def _enter(champions: Path, entry: Promotion) -> None:
    """Add an entry to the ledger, unless a killed process has done so."""
    ledger = champions.parent / _LEDGER
    known = of_capability((Promotion.from_json(json.loads(line)) for line in read_lines(ledger)), entry.capability)
    last = known[-1] if known else None
    if last is None or (last.after, last.refused, last.cause) != (entry.after, entry.refused, entry.cause):
        append_lines(ledger, [json.dumps(entry.as_json(), sort_keys=True, ensure_ascii=False)])


def _by_hand(rollout: Rollout) -> str:
    return f"`kedro models promote {shlex.quote(rollout.capability)} {rollout.challenger}`"
