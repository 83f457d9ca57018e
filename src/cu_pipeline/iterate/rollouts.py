"""The rollouts of an iteration's challengers: begun once, and followed until the service has ended them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cu_pipeline.core.actor import actor
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.iterate.evidence import Challenger
from cu_pipeline.iterate.options import LoopRolloutOptions
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.state import Iteration
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.plan import Limits, Rollout, rollouts_folder
from cu_pipeline.tracking import rollout_end

_CHAMPIONS: Final = Path("data/06_models/champions")


def follow(
    project: Project, iteration: Iteration, chosen: list[Challenger], options: LoopRolloutOptions
) -> tuple[bool, str]:
    """Begin the rollouts that were not begun, and say how all stand.

    Args:
        project: whose service they are tried in.
        iteration: that trained them.
        chosen: the challengers.
        options: how they are tried.

    Returns:
        Whether any goes on, and in words how they stand.
    """
    folder = rollouts_folder(project.root / _CHAMPIONS)
    if any(_rollout_of(folder, one) is None for one in chosen):
        project.run(["deliver"], parent=iteration.run_id, nodes=["register_challengers"])
        for one in chosen:
            if _rollout_of(folder, one) is None:
                _begin(project, folder, one, options)
    found = [(one.capability, _rollout_of(folder, one)) for one in chosen]
    told = [
        f"{name}: {'goes on: kedro rollout status' if one.is_running else f'{one.status}, {one.reason}'}"
        for name, one in found
        if one is not None
    ]
    return any(one is not None and one.is_running for _, one in found), "; ".join(told)


def roll_back(project: Project, chosen: list[Challenger], reason: str) -> None:
    """End the rollouts of challengers that go on, so that the gate does not promote these."""
    champions = project.root / _CHAMPIONS
    folder = rollouts_folder(champions)
    for one in chosen:
        running = _rollout_of(folder, one)
        if running is not None and running.is_running:
            rollout_end.roll_back(folder, champions, running, reason, refused=True)


def _rollout_of(folder: Path, challenger: Challenger) -> Rollout | None:
    """The rollout of this very model; None: it had none."""
    found = plan.read(plan.place_of(folder, challenger.capability))
    return found if found is not None and found.challenger == challenger.version else None


def _begin(project: Project, folder: Path, one: Challenger, options: LoopRolloutOptions) -> None:
    champions, bundles = project.load("served_champions", "bundle_cache")
    champion, challenger = champions.get(one.capability), bundles.get(one.capability)
    if champion is None or challenger is None or challenger.version != one.version:
        raise ConfigurationError(
            f"{one.capability}: a rollout needs the champion {one.champion} and the challenger {one.version}, and one "
            "of them is not here. Remedy: `dvc checkout data/06_models`, or iterate.rollout.enabled: false"
        )
    begun = Rollout(
        capability=one.capability,
        challenger=one.version,
        champion=champion.version,
        mode=options.mode,
        percent=options.percent,
        sticky="creator",
        limits=Limits(days=options.days),
        started=datetime.now(UTC),
        by=actor(),
    )
    trials.start(folder, begun, challenger.scoped(champion.scope))
