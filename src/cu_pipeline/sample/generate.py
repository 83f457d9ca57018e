import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.capability import Kind, join_label
from cu_pipeline.core.counters import count
from cu_pipeline.sample.clip_plans import ClipPlan, plan_world
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.sample.shot import Damage, Shot

MANIFEST: Final = "manifest.csv"
TRUTH: Final = "truth.csv"

_OURS: Final = re.compile(r"\.?v[0-9a-f]{11}-[0-9a-f]{12}\.mp4(\..*\.tmp)?")
_TIMEOUT_S: Final = 120.0
_MEMORY_MB: Final = 4096


def generate(
    folder: Path, options: SampleOptions, mapper: Mapper, leaves_out: Callable[[str, str], bool] | None = None
) -> Path:
    """Render the sample world, or what of it is not there yet.

    A media file's name holds a hash of all that its bytes depend on, and each file appears whole or not at all. So
    a call after a crash renders what is missing, a call with other options renders what differs and removes what
    is no longer needed, and a call on a finished world renders nothing.

    Args:
        folder: gets `manifest.csv`, `truth.csv` and `media/`.
        options: the world.
        mapper: renders.
        leaves_out: whether a clip, by its id and creator, is not to be there.

    Returns:
        The manifest.
    """
    plans = plan_world(options)
    if leaves_out is not None:
        gone = {plan.clip_id for plan in plans if leaves_out(plan.clip_id, plan.creator)}
        plans = [
            replace(plan, near_duplicate_of="") if plan.near_duplicate_of in gone else plan
            for plan in plans
            if plan.clip_id not in gone
        ]
    media = folder / "media"
    media.mkdir(parents=True, exist_ok=True)
    present = {path.name for path in media.iterdir()}
    shots = {Path(plan.path).name: plan.shot for plan in plans if plan.shot.damage != Damage.MISSING}
    missing = [(shot, media / name) for name, shot in shots.items() if name not in present]
    _render(missing, mapper)
    _write_if_changed(folder / TRUTH, _csv(map(_truth_row, plans)))
    _write_if_changed(folder / MANIFEST, _csv(_manifest_rows(plans)))
    for name in present - shots.keys():
        if _OURS.fullmatch(name):
            (media / name).unlink()
    return folder / MANIFEST


def manifest_rows(options: SampleOptions) -> list[dict[str, str]]:
    """Tell what the sample world's `manifest.csv` holds, without rendering anything."""
    return _manifest_rows(plan_world(options))


def _manifest_rows(plans: Iterable[ClipPlan]) -> list[dict[str, str]]:
    return [_manifest_row(plan) for plan in plans]


def _render(work: list[tuple[Shot, Path]], mapper: Mapper) -> None:
    count("clips_rendered", len(work))
    if not work:
        return
    from cu_pipeline.sample.render import render

    for outcome in mapper.map(
        render,
        work,
        timeout_s=_TIMEOUT_S,
        memory_mb=_MEMORY_MB,
        description="rendering sample clips",
    ):
        outcome.get()


def _manifest_row(plan: ClipPlan) -> dict[str, str]:
    return {
        "clip_id": plan.clip_id,
        "path": plan.path,
        "text": plan.text,
        "label": plan.label,
        "label_safety": plan.label_safety,
        "creator": plan.creator,
        "posted_at": plan.posted_at,
        "lang": plan.lang,
        "annotations": _json(plan.annotations),
        "annotations_safety": _json(plan.annotations_safety),
        "annotation_draw": "random" if plan.drawn else "",
    }


def _truth_row(plan: ClipPlan) -> dict[str, str]:
    where = {name: list(carriers) for name, carriers in zip(plan.safety, plan.safety_carriers, strict=True)}
    return {
        "clip_id": plan.clip_id,
        "topic": plan.topic,
        "safety": join_label(plan.safety, Kind.MULTI),
        "carriers": "|".join(plan.carriers),
        "safety_carriers": json.dumps(where),
        "scene": plan.shot.scene,
        "overlay": " / ".join(plan.shot.overlay),
        "drift": "|".join(plan.drifted),
        "near_duplicate_of": plan.near_duplicate_of,
        "alteration": plan.shot.alteration,
        "damage": plan.shot.damage,
        "expected_reason": plan.expected_reason,
    }


def _json(pairs: Iterable[tuple[str, str]]) -> str:
    given = dict(pairs)
    return json.dumps(given) if given else ""


def _csv(rows: Iterable[dict[str, str]]) -> str:
    listed = list(rows)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return stream.getvalue()


def _write_if_changed(target: Path, text: str) -> None:
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        write_text(target, text)
