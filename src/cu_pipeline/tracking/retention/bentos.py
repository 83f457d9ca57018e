"""Built services beyond those that are kept."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cu_pipeline.core.atomic import remove_tree
from cu_pipeline.tracking.retention.project import DAY_S, Project, Removable, size_of


def bentos(project: Project) -> Iterator[Removable]:
    """Bentos but the one that was delivered last, the one that BentoML calls the latest, and the newest others."""
    kept = _delivered(project)
    for folder in sorted((project.bento_store / "bentos").glob("[!.]*")):
        latest = folder / "latest"
        served = {latest.read_text(encoding="utf-8").strip() if latest.is_file() else ""}
        served |= {tag.rpartition(":")[2] for tag in kept if tag.startswith(f"{folder.name}:")}
        built = [path for path in folder.glob("[!.]*") if path.is_dir() and path.name not in served]
        built.sort(key=_built_at, reverse=True)
        for path in built[project.options.bentos :]:
            if project.now.timestamp() - _built_at(path) >= project.options.days * DAY_S:
                checks = sorted((project.bento_store / "checks").glob(f"{path.name}-*.json"))
                yield Removable(f"{folder.name}:{path.name}", size_of([path, *checks]), partial(_remove, path, checks))


def _delivered(project: Project) -> set[str]:
    path = project.place("delivery")
    found = json.loads(path.read_text(encoding="utf-8")).get("bento") if path.is_file() else None
    return {found} if found else set()


def _built_at(bento: Path) -> float:
    """Its own date: what it packs has older ones."""
    about = bento / "bento.yaml"
    return (about if about.is_file() else bento).stat().st_mtime


def _remove(bento: Path, checks: list[Path]) -> None:
    for check in checks:  # first, so that no crash leaves them without a Bento that would find them again
        check.unlink(missing_ok=True)
    remove_tree(bento)
