"""`kedro rollout`: try a challenger beside the champion on live traffic, look at the evidence, end it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from cu_pipeline.cli.foreseen import told_in_words

if TYPE_CHECKING:
    from cu_pipeline.models.bundle import Bundle
    from cu_pipeline.rollout.plan import Rollout

_ENV = click.option("--env", "-e", default=None, help="Kedro environment.")
_SHARE: Final = click.FloatRange(0, 1, min_open=True, max_open=True)
_ABOVE_0: Final = click.FloatRange(0, min_open=True)
_PERCENT: Final = click.FloatRange(0, 100, min_open=True)
_CHAMPIONS: Final = Path("data/06_models/champions")


@click.group("rollout")
def rollout() -> None:
    """Try a challenger on live traffic beside the champion.

    A running service follows within seconds. It ends a rollout by itself: the challenger is promoted once it is shown
    to be better, and rolled back once it is shown to be worse, to fail, to be slow or to differ too much, or when the
    time is over.
    """


@rollout.command("start")
@click.argument("capability")
@click.option("--version", default=None, help="Number, or bundle's version, of the model; as `kedro models list` says.")
@click.option("--run", "run_name", default=None, help="Name or id of the run that trained it.")
@click.option("--shadow", is_flag=True, help="Only log what it says; nobody gets its answers. The default.")
@click.option("--canary", type=_PERCENT, default=None, metavar="PERCENT", help="Give its answers to so many.")
@click.option("--sticky", type=click.Choice(["creator", "clip"]), default="creator", show_default=True)
@click.option("--goal", type=click.Choice(["better", "not-worse"]), default="better", show_default=True)
@click.option("--margin", type=_SHARE, default=0.02, show_default=True, help="Of right answers, for --goal not-worse.")
@click.option("--alpha", type=_SHARE, default=0.05, show_default=True, help="Chance of each kind of false decision.")
@click.option("--max-disagreement", type=_SHARE, default=0.5, show_default=True, help="Share of creators.")
@click.option("--max-errors", type=_SHARE, default=0.01, show_default=True, help="Share in which it alone fails.")
@click.option("--max-latency", type=_ABOVE_0, default=3.0, show_default=True, help="Times the champion's.")
@click.option("--units", type=click.IntRange(1), default=30, show_default=True, help="Creators before quality decides.")
@click.option("--days", type=_ABOVE_0, default=14.0, show_default=True, help="Without a decision it is rolled back.")
@click.option("--requests", type=click.IntRange(1), default=100_000, show_default=True, help="Likewise.")
@_ENV
@click.pass_obj
def start(
    metadata: Any,
    /,
    *,
    capability: str,
    version: str | None,
    run_name: str | None,
    shadow: bool,
    canary: float | None,
    env: str | None,
    **options: Any,
) -> None:
    """Begin to try a model of CAPABILITY: the one with the alias challenger, or --version, or --run."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.core.errors import ConfigurationError
        from cu_pipeline.rollout import trials
        from cu_pipeline.rollout.plan import rollouts_folder

        if version and run_name:
            raise ConfigurationError("--version and --run both name a model: give one of them")
        if shadow and canary is not None:
            raise ConfigurationError("--shadow and --canary are two modes: give one of them")
        folder = rollouts_folder(root / _CHAMPIONS)
        _refuse_second(folder, capability)
        champion, challenger = _models(root, env, capability, version or run_name or "challenger")
        begun = _planned(champion, challenger, canary, options)
        trials.start(folder, begun, challenger)
        for line in _begun(begun):
            click.echo(line)


@rollout.command("status")
@click.argument("capability", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def status(metadata: Any, /, *, capability: str | None, as_json: bool) -> None:
    """Tell how far the rollout of CAPABILITY is, or those of all: the evidence, and what is still needed."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.cli.rollout_words import in_json, in_words
        from cu_pipeline.core.errors import ConfigurationError
        from cu_pipeline.rollout import plan, trials

        folder = plan.rollouts_folder(root / _CHAMPIONS)
        found = plan.all_of(folder)
        if capability and capability not in found:
            known = ", ".join(sorted(found)) or "none"
            raise ConfigurationError(f"{capability}: there was no rollout. Rollouts: {known}")
        chosen = {name: one for name, one in found.items() if capability in {None, name}}
        both = [(one, trials.read_evidence(folder, name)) for name, one in sorted(chosen.items())]
        if as_json:
            click.echo(in_json(both))
        else:
            click.echo(
                "\n\n".join(in_words(*one) for one in both) or "no rollout yet: `kedro rollout start CAPABILITY`"
            )


@rollout.command("percent")
@click.argument("capability")
@click.argument("percent", type=float)
@click.pass_obj
def percent(metadata: Any, /, *, capability: str, percent: float) -> None:
    """Give the challenger's answers to PERCENT of creators or clips; a shadow becomes a canary."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.rollout import trials
        from cu_pipeline.rollout.plan import rollouts_folder

        changed = trials.set_percent(rollouts_folder(root / _CHAMPIONS), capability, percent)
        click.echo(f"{capability}: {changed.percent:g} % of {changed.sticky}s get the answers of {changed.challenger}")


@rollout.command("stop")
@click.argument("capability")
@click.option("--promote", "way", flag_value="promote", help="Make the challenger champion, whatever the evidence.")
@click.option("--rollback", "way", flag_value="rollback", help="Take it away, and let the gate not promote it.")
@click.option("--reason", default="", help="Why; it is kept in the plan and in the ledger.")
@click.pass_obj
def stop(metadata: Any, /, *, capability: str, way: Literal["promote", "rollback"] | None, reason: str) -> None:
    """End the rollout of CAPABILITY; without an option, without a decision about the challenger."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.core.actor import actor
        from cu_pipeline.rollout import trials
        from cu_pipeline.rollout.plan import rollouts_folder
        from cu_pipeline.tracking import rollout_end

        champions = root / _CHAMPIONS
        folder = rollouts_folder(champions)
        told = reason or f"by {actor()}, by hand"
        running = trials.running(folder, capability)
        if way == "promote":
            ended = rollout_end.promote(folder, champions, running, told)
        elif way == "rollback":
            ended = rollout_end.roll_back(folder, champions, running, told, refused=True)
        else:
            ended = rollout_end.stop(folder, running, told)
        click.echo(f"{capability}: {ended.status.replace('_', ' ')}, {ended.reason}")
        if ended.status == "promoted":
            click.echo(
                f"The champion is {ended.challenger} from now on. The next run tells MLflow's registry and dvc.lock: "
                "make run PIPELINES=evaluate,deliver,monitor,report"
            )


def _refuse_second(folder: Path, capability: str) -> None:
    """Say at once, before models are looked for, that a rollout runs; starting checks it again."""
    from cu_pipeline.rollout import plan, trials

    former = plan.read(plan.place_of(folder, capability))
    if former is not None:
        trials.check_none_runs(former)


def _models(root: Path, env: str | None, capability: str, word: str) -> "tuple[Bundle, Bundle]":
    """Find champion and challenger, and check that both can answer the same question here.

    Raises:
        ConfigurationError: there is no champion, the word means no other model, or the two differ in their classes.
        BundleError: the challenger's files are gone, or this installation cannot answer by it.
    """
    from cu_pipeline.cli.model_project import open_project
    from cu_pipeline.core.errors import ConfigurationError

    with open_project(root, env, writes=False) as project:
        model = project.find(capability, word)
        champion, told = project.served.get(capability), project.champion(capability)
        if champion is None or champion.version != told:
            raise ConfigurationError(
                f"{capability}: a rollout needs a champion that is served; by the ledger it is {told or 'none'}, and "
                f"{champion.version if champion else 'none'} is served. Remedy: `make run PIPELINES=evaluate,deliver`, "
                f"or `kedro models promote {shlex.quote(capability)} MODEL`"
            )
        challenger = project.load(model).scoped(champion.scope)
    if challenger.version == champion.version:
        raise ConfigurationError(f"{capability}: {model} is the champion already: give --version or --run of another")
    if (challenger.kind, set(challenger.classes)) != (champion.kind, set(champion.classes)):
        raise ConfigurationError(
            f"{capability}: {challenger.version} recognises {', '.join(challenger.classes)} ({challenger.kind.value}), "
            f"the champion {', '.join(champion.classes)} ({champion.kind.value}): their answers cannot be compared. "
            "Allowed: a model of the same classes"
        )
    challenger.extractors()
    return champion, challenger


def _planned(champion: "Bundle", challenger: "Bundle", canary: float | None, options: dict[str, Any]) -> "Rollout":
    from datetime import UTC, datetime

    from cu_pipeline.core.actor import actor
    from cu_pipeline.rollout.plan import Limits, Rollout

    same = ("margin", "alpha", "units", "days", "requests")
    limits = Limits(
        goal=options["goal"].replace("-", "_"),
        disagreement=options["max_disagreement"],
        errors=options["max_errors"],
        latency=options["max_latency"],
        **{name: options[name] for name in same},
    )
    return Rollout(
        capability=champion.capability,
        challenger=challenger.version,
        champion=champion.version,
        mode="shadow" if canary is None else "canary",
        percent=10.0 if canary is None else canary,
        sticky=options["sticky"],
        limits=limits,
        started=datetime.now(UTC),
        by=actor(),
    )


def _begun(begun: "Rollout") -> "list[str]":
    from cu_pipeline.cli.rollout_words import heading

    limits = begun.limits
    return [
        heading(begun),
        f"It ends by itself, at the latest after {limits.days:g} days or {limits.requests:,} requests. Quality needs "
        f"feedback: POST /feedback. Look: kedro rollout status {shlex.quote(begun.capability)}",
    ]
