"""Runs the collect pipeline in forked children that can be killed.

Everything is imported once, so a run takes a fraction of a second. Each line of standard input is a request, each line
of standard output its answer, both JSON. A child that is to be killed gets `kill -9` at the wanted operation on a file
of the project, or some seconds after it.
"""

import importlib
import json
import logging
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

OPERATIONS = {"open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "os.truncate", "tempfile.mkstemp"}
REPOSITORY = Path(__file__).parents[3]


class InProcessPool:
    """Stands for the worker processes, whose deaths `tests/compute` looks after."""

    def __init__(self, function: Callable[[Any], Any], **_: object) -> None:
        self._function = function

    def run(self, item: Any) -> Any:
        from cu_pipeline.compute.mapper import Outcome
        from cu_pipeline.core.errors import BadClipError

        try:
            return Outcome(value=self._function(item))
        except BadClipError as error:
            return Outcome(error=error)

    def end(self) -> None: ...
    def close(self) -> None: ...


@contextmanager
def careless_path(target: Path) -> Iterator[Path]:
    """Write as `atomic_path` must not: in place and in two parts."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.draft")
    yield draft
    content = draft.read_bytes()
    draft.unlink()
    with target.open("wb") as stream:
        stream.write(content[: len(content) // 2])
        stream.flush()
        target.chmod(0o644)
        stream.write(content[len(content) // 2 :])


def run(root: Path, feed: str) -> dict[str, int]:
    """Run collect on the catalog that ships, after the clearing up that comes before every run."""
    import yaml
    from kedro.io import DataCatalog
    from kedro.runner import SequentialRunner

    from cu_pipeline.compute.engine import ComputeOptions
    from cu_pipeline.core import counters
    from cu_pipeline.core.capability import Capabilities
    from cu_pipeline.pipelines.collect.options import CollectOptions
    from cu_pipeline.pipelines.collect.pipeline import create_pipeline
    from cu_pipeline.tracking.catalog_files import catalog_files, tidy

    entries = yaml.safe_load((REPOSITORY / "conf/base/catalog_collect.yml").read_text(encoding="utf-8"))
    monitored = yaml.safe_load((REPOSITORY / "conf/base/catalog_monitor.yml").read_text(encoding="utf-8"))
    entries["prediction_log"] = monitored["prediction_log"]
    tidy(root, catalog_files(entries).values())
    for entry in entries.values():
        entry["filepath"] = str(root / entry["filepath"])
    catalog = DataCatalog.from_config(entries)
    parameters = {
        "collect": CollectOptions(manifest=feed),
        "capabilities": Capabilities.model_validate({"topic": {}}),
        "compute": ComputeOptions(workers=1),
    }
    for name, value in parameters.items():
        catalog[f"params:{name}"] = value
    for name in ("fetch", "limits", "duplicates", "language", "split", "checks"):
        catalog[f"params:collect.{name}"] = getattr(parameters["collect"], name)
    SequentialRunner().run(create_pipeline(), catalog)
    return counters.counts()


def child(request: dict[str, Any], notice: int) -> None:
    """Run collect; at the wanted operation die, or tell the parent and go on."""
    root, operations = Path(request["root"]), 0
    data, wanted, after_s = str(root / "data"), request.get("kill_at"), request.get("after_s", 0)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal operations
        if event not in OPERATIONS or not str(arguments[0]).startswith(data):
            return
        operations += 1
        name = Path(str(arguments[0])).name.removeprefix(".")
        if wanted == operations or (isinstance(wanted, list) and event == wanted[0] and name.startswith(wanted[1])):
            if not after_s:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(notice, b"now\n")

    os.chdir(root)
    os.environ["CU_PIPELINE_ROOT"] = str(root)
    if request.get("careless"):
        from cu_pipeline.core import atomic
        from cu_pipeline.datasets import tables

        atomic.atomic_path = tables.atomic_path = careless_path
    if limit := request.get("file_bytes"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.addaudithook(watch)
    counts = run(root, request["feed"])
    if wanted:
        time.sleep(60)
    os.write(notice, json.dumps({"operations": operations, "counts": counts, "modules": list(sys.modules)}).encode())


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run a child as asked and say how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        try:
            child(request, writing)
        except BaseException:
            os.write(writing, json.dumps({"error": traceback.format_exc()}).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        first = stream.readline()
        if first == "now\n":
            time.sleep(request["after_s"])
            os.kill(pid, signal.SIGKILL)
            first = stream.read()
    _, status = os.waitpid(pid, 0)
    told = json.loads(first) if first else {}
    for name in told.pop("modules", ()):  # what a run imports lazily, so that later children need not
        with suppress(ImportError):
            importlib.import_module(name)
    return {"killed": os.WIFSIGNALED(status), **told}


def main() -> None:
    """Answer requests until standard input ends; what Kedro prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    from cu_pipeline.compute import worker_pool
    from cu_pipeline.dedup import frame_hashes
    from cu_pipeline.ingest import probing
    from cu_pipeline.pipelines.collect import pipeline  # noqa: F401

    logging.disable()
    worker_pool.WorkerPool = InProcessPool  # type: ignore[assignment, misc]
    frame_hashes.CHUNK = probing.CHUNK = 3  # type: ignore[misc]
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
