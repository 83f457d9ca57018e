"""`kedro predict`: the champions' answers about any feed, as a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words

if TYPE_CHECKING:
    import pandas as pd

    from cu_pipeline.compute.engine import ComputeOptions
    from cu_pipeline.core.rows import Rows
    from cu_pipeline.inference.batch import BatchAnswers

_SUFFIX: Final = ".parquet"


def _table(context: click.Context, option: click.Parameter, value: Path) -> Path:
    if value.suffix != _SUFFIX:
        raise click.BadParameter(f"{str(value)!r} does not end in {_SUFFIX}", context, option)
    return value


@click.command("predict")
@click.option("--feed", "feeds", required=True, multiple=True, help="As collect.manifest; several add up.")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_table,
    help="Parquet file; what it says already of the same contents and models is kept.",
)
@click.option("--workers", default=None, type=click.IntRange(0), help="Decoding processes; 0: one per core.")
@click.option("--env", "-e", default=None, help="Kedro environment.")
@click.pass_obj
def predict(metadata: Any, /, *, feeds: tuple[str, ...], output: Path, workers: int | None, env: str | None) -> None:
    """Let the champions answer about the clips of any feed, and write a row for each clip and capability.

    Rows that are refused are listed beside the output, in NAME.rejects.csv. The project's own clips and labels are not
    touched. The exit code is 0 if the table was written, and 1 if not, such as where no row is usable.
    """
    root, refused = Path(metadata.project_path), output.with_suffix(".rejects.csv")
    with told_in_words(root), _project(root, env) as context:
        known = _known(output)
        clips, rejects = _read_clips(context, feeds, workers, refused)
        answers = _answers(context, clips, known, workers)
        rejects = _listed([rejects, answers.rejects], refused)
        _write(answers.rows, output)
        for line in _told(answers, rejects, output, refused):
            click.echo(line)


@contextmanager
def _project(root: Path, env: str | None) -> Iterator[Any]:
    """Open the project while no run writes to it: both add to the feature store."""
    from cu_pipeline.tracking.opened_project import opened_project
    from cu_pipeline.tracking.run_lock import HERE, RunLock

    with opened_project(root, env, RunLock(root, HERE)) as context:
        yield context


def _known(output: Path) -> "pd.DataFrame":
    """Read what an earlier call wrote; without rows where there is none.

    Raises:
        StoreError: the file is something else.
    """
    import pandas as pd
    import pyarrow as pa

    from cu_pipeline.core.errors import StoreError
    from cu_pipeline.core.records import completed, table
    from cu_pipeline.inference.batch import BATCH

    if not output.exists():
        return table([], BATCH)
    try:
        return table(completed(pd.read_parquet(output), BATCH)[list(BATCH)], BATCH)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        remedy = "Remedy: give another name, or remove it"
        raise StoreError(
            f"{output} is there and is no table of predictions, so it is not replaced. {remedy}"
        ) from error


def _read_clips(
    context: Any, feeds: tuple[str, ...], workers: int | None, refused: Path
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Read and check feeds as the collect pipeline does, but for labels, which are left alone.

    Raises:
        ManifestError: no row is usable.
    """
    import pandas as pd

    from cu_pipeline.core.errors import ManifestError
    from cu_pipeline.core.rows import rows_of
    from cu_pipeline.ingest.admission import admit_rows
    from cu_pipeline.pipelines.collect import nodes

    parameters, catalog = context.params, context.catalog
    options = parameters["collect"].model_copy(update={"manifest": _places(feeds)})
    compute = _compute(context, workers)
    nothing = rows_of(pd.DataFrame())  # the feed takes no other one's place
    erased = catalog.load("tombstones")
    rows = _without_labels(nodes.read_feed(options, compute, nothing, nothing, erased))
    for fetched in nodes.fetch_media(rows, catalog.load("fetch_cache"), options.fetch, options.limits, erased):
        catalog.save("fetched", fetched)
    placed, unreachable = nodes.place_media(rows, catalog.load("fetched"))
    checked, senseless = nodes.check_feed(placed, parameters["capabilities"], options.limits, options.language)
    for probed in nodes.probe_media(checked, catalog.load("probe_cache"), options.limits, compute, erased):
        catalog.save("probes", probed)
    admitted, unusable = admit_rows(checked, catalog.load("probes"), erased)  # in the feed's order
    rejects = nodes.list_rejects(unreachable, senseless, unusable)
    if not len(admitted):
        _listed([rejects], refused)
        raise ManifestError(f"{'; '.join(options.manifest)!r} holds no usable clip: {refused} says why of each row")
    return admitted.frame(), rejects


def _places(feeds: tuple[str, ...]) -> tuple[str, ...]:
    """Check the feeds as the parameter `collect.manifest` is.

    Raises:
        ConfigurationError: one is not allowed.
    """
    from pydantic import TypeAdapter, ValidationError

    from cu_pipeline.core.errors import ConfigurationError
    from cu_pipeline.ingest.options import Places

    try:
        return TypeAdapter(Places).validate_python(";".join(feeds))
    except ValidationError as error:
        raise ConfigurationError([f"--feed: {fault['msg']}" for fault in error.errors()]) from error


def _without_labels(rows: "Rows") -> "Rows":
    """Leave out what people said: it decides nothing here, so it cannot be a reason to refuse a row."""
    from cu_pipeline.ingest.columns import LABEL, VOTES

    said = [name for name in rows.names if name in {LABEL, VOTES} or name.startswith((f"{LABEL}_", f"{VOTES}_"))]
    return rows.only([name for name in rows.names if name not in said])


def _compute(context: Any, workers: int | None) -> "ComputeOptions":
    """What work runs on, with the number of workers that the command line gives."""
    compute: ComputeOptions = context.params["compute"]
    return compute if workers is None else compute.model_copy(update={"workers": workers})


def _answers(context: Any, clips: "pd.DataFrame", known: "pd.DataFrame", workers: int | None) -> "BatchAnswers":
    from cu_pipeline.compute.engine import mapper_of
    from cu_pipeline.inference.batch import predict_batch

    parameters, catalog = context.params, context.catalog
    mapper = mapper_of(_compute(context, workers))
    champions, store = catalog.load("champions"), catalog.load("features")
    return predict_batch(clips, champions, known, store, parameters["featurize"].limits, mapper)


def _listed(refused: list["pd.DataFrame"], path: Path) -> "pd.DataFrame":
    import pandas as pd

    from cu_pipeline.core.atomic import atomic_path

    rejects = pd.concat(refused, ignore_index=True)
    with atomic_path(path) as temporary:
        rejects.to_csv(temporary, index=False)
    return rejects


def _write(rows: "pd.DataFrame", output: Path) -> None:
    from cu_pipeline.core.atomic import atomic_path

    with atomic_path(output) as temporary:
        rows.to_parquet(temporary, index=False)


def _told(answers: "BatchAnswers", rejects: "pd.DataFrame", output: Path, refused: Path) -> Iterator[str]:
    """Say what was done, in a line or two."""
    from cu_pipeline.core.counters import counts

    rows = answers.rows
    versions = rows.drop_duplicates("capability").set_index("capability")["model_version"].sort_index()
    models = ", ".join(f"{name} {version}" for name, version in versions.items())
    new = len(rows) - answers.kept
    yield f"{rows['clip_id'].nunique():,} clips, {len(rows):,} rows ({answers.kept:,} kept, {new:,} new): {output}"
    yield f"models: {models}; {counts().get('clips_decoded', 0):,} clips decoded"
    if len(rejects):
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in rejects["reason"].value_counts().items())
        yield f"{len(rejects):,} row{'s' if len(rejects) > 1 else ''} refused ({reasons}): {refused}"
