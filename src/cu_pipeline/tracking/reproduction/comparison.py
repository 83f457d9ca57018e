"""What came out when a run was repeated, beside what it had recorded."""

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cu_pipeline.tracking.reproduction import contents
from cu_pipeline.tracking.reproduction.record import RunRecord

Pair = tuple[Any, Any]
"""As the run recorded it, and now."""

_TIME: Final = "seconds"
"""Part of the names of values that say how long something took, which is never the same twice."""

_SHOWN: Final = 8
_NONE: Final = "none"


@dataclass(frozen=True)
class Comparison:
    """A run and its repetition.

    Attributes:
        bundles: capability -> versions of the model.
        numbers: file and dotted name -> values, of what was measured; only those that differ.
        measured: how many numbers were compared.
        files: path -> hashes of what the repeated pipelines wrote.
        pages: those of them that are texts for people, which name the run and its time.
        inputs: what of the environment differs, name -> values.
        code_lost: whether the run's code is not known to the last byte.
    """

    bundles: Mapping[str, Pair] = field(default_factory=dict)
    numbers: Mapping[str, Pair] = field(default_factory=dict)
    measured: int = 0
    files: Mapping[str, Pair] = field(default_factory=dict)
    pages: Collection[str] = ()
    inputs: Mapping[str, Pair] = field(default_factory=dict)
    code_lost: bool = False

    @property
    def identical(self) -> bool:
        """Whether models and measurements are the same; where there are neither, all files but pages."""
        files = {path: pair for path, pair in self.files.items() if path not in self.pages}
        decided = self.bundles or self.measured
        return not self.numbers and not _differing(self.bundles if decided else files)

    def __str__(self) -> str:
        lines = [*self._results(), *self._files(), *self._causes()]
        return "\n".join(["identical" if self.identical else "different", *lines])

    def _results(self) -> Iterator[str]:
        for capability, (before, now) in self.bundles.items():
            yield f"  model {capability}: {before}" + ("" if before == now else f", now {now or _NONE}")
        if self.measured and not self.numbers:
            yield f"  {self.measured:,} measured values: all equal"
        elif self.numbers:
            sizes = {name: _gap(*pair) for name, pair in self.numbers.items()}
            most = max(sizes.values())
            most_told = f", numbers by at most {most:.2g}" if most else ""
            yield f"  {len(self.numbers):,} of {self.measured:,} measured values differ{most_told}:"
            yield from _pairs({name: self.numbers[name] for name in sorted(sizes, key=sizes.__getitem__, reverse=True)})

    def _files(self) -> Iterator[str]:
        differing = _differing(self.files)
        yield f"  {len(self.files) - len(differing)} of {len(self.files)} files are the same byte for byte"
        if differing and self.identical:
            yield f"  others differ in what is no result, such as times and runs: {', '.join(differing)}"
        elif differing:
            yield f"  others differ: {', '.join(differing)}"

    def _causes(self) -> Iterator[str]:
        if self.code_lost:
            yield (
                "The run was made from code that no commit has and that is too large to be kept (src, conf): "
                "its commit was taken"
            )
        if self.inputs:
            yield "What differs from where the run was made:"
            yield from _pairs(self.inputs)
        elif not self.identical:
            yield "Nothing that is recorded of machine, threads, device and packages differs"


def compare(root: Path, project: Path, recorded: RunRecord, repeated: RunRecord) -> Comparison:
    """Compare what two runs left.

    Args:
        root: the project's folder, whose DVC cache has what the run measured.
        project: where it was repeated.
        recorded: of the run.
        repeated: of its repetition.
    """
    files = {
        path: (md5, repeated.data.stages[name].writes.get(path, ""))
        for name, stage in recorded.data.stages.items()
        if name in repeated.data.stages
        for path, md5 in stage.writes.items()
    }
    measured = [path for path in recorded.data.measured if path in files]
    before, now = _measured(root, project, measured, files)
    made = recorded.data.bundles_at in files
    return Comparison(
        bundles=_beside(recorded.data.bundles, repeated.data.bundles) if made else {},
        numbers=_differing(_beside(before, now)),
        measured=len(before),
        files=files,
        pages=recorded.data.pages,
        inputs=recorded.environment.differences(repeated.environment),
        code_lost=recorded.data.code_changed and not recorded.patch,
    )


def _measured(
    root: Path, project: Path, paths: list[str], files: Mapping[str, Pair]
) -> tuple[dict[str, Any], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        contents.bring(root, Path(scratch), {path: files[path][0] for path in paths})
        return _values(Path(scratch), paths), _values(project, paths)


def _values(folder: Path, paths: list[str]) -> dict[str, Any]:
    """List the values in JSON files, file and dotted name -> value; none of a file that is not at hand."""
    there = [path for path in paths if (folder / path).is_file()]
    found = [pair for path in there for pair in _flat(json.loads((folder / path).read_bytes()), Path(path).stem)]
    return {name: value for name, value in found if _TIME not in name.rpartition(".")[2]}


def _flat(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """List the values in nested mappings and lists, each with its dotted name.

    >>> list(_flat({"a": [1, {"b": 2}]}, "x"))
    [('x.a.0', 1), ('x.a.1.b', 2)]
    """
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else None
    if pairs is None:
        yield name, content
    for key, value in pairs or ():
        yield from _flat(value, f"{name}.{key}")


def _beside(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Pair]:
    return {name: (before.get(name, ""), now.get(name, "")) for name in dict.fromkeys([*before, *now])}


def _differing(pairs: Mapping[str, Pair]) -> dict[str, Pair]:
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _gap(before: Any, now: Any) -> float:
    """How far two numbers are apart; 0 where they are none."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, now))
    return abs(now - before) if numbers else 0.0


def _pairs(pairs: Mapping[str, Pair]) -> Iterator[str]:
    for name, (before, now) in list(pairs.items())[:_SHOWN]:
        yield f"    {name}: {_short(before)}, now {_short(now)}"
    if len(pairs) > _SHOWN:
        yield f"    and {len(pairs) - _SHOWN:,} more"


def _short(value: Any) -> str:
    text = str(value)
    return (text if len(text) <= 60 else text[:57] + "...") or _NONE
