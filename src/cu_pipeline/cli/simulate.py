"""`kedro simulate`: a year of traffic, drift and retraining on this machine, as one page."""

from pathlib import Path
from typing import Any

import click

from cu_pipeline.cli.foreseen import told_in_words


@click.command("simulate")
@click.option(
    "--folder",
    default="data/08_reporting/simulated_year",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Gets a project of its own, and the page. Must be empty.",
)
@click.option("--clips", default=120, show_default=True, type=click.IntRange(30), help="Clips posted in a window.")
@click.option(
    "--labels", default=80, show_default=True, type=click.IntRange(20), help="Clips labelled at a time, at most."
)
@click.option("--seed", default=17, show_default=True, type=click.IntRange(0), help="Of the world.")
@click.pass_obj
def simulate(metadata: Any, /, *, folder: Path, clips: int, labels: int, seed: int) -> None:
    """Replay a year of generated clips against a running service, with and without the loop.

    The service, the loop and the models are the real ones, in a project of their own; the people who label are
    simulated, and are paid. It takes about 15 minutes on two idle cores. The page year.html compares the loop with
    policies that retrain never, always, and whenever Evidently flags.
    """
    from cu_pipeline.core.atomic import write_text
    from cu_pipeline.core.errors import ConfigurationError
    from cu_pipeline.iterate.year.options import YearOptions
    from cu_pipeline.iterate.year.page import year_page
    from cu_pipeline.iterate.year.run import simulate as replay

    root = Path(metadata.project_path)
    target = (root / folder).absolute()
    with told_in_words(root):
        if target.is_dir() and any(target.iterdir()):
            raise ConfigurationError(f"{target} is not empty: remove it, or give another --folder")
        year = replay(root, target / "project", YearOptions(clips=clips, labels=labels, seed=seed))
        write_text(target / "year.html", year_page(year))
    for policy in year.windows[0].accuracy:
        click.echo(
            f"{policy}: {year.mean_accuracy(policy):.1%} right on average, ${year.spent(policy):,.2f} for labels"
        )
    click.echo(f"{target / 'year.html'}, after {year.seconds / 60:.0f} minutes")
