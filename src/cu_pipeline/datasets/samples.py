import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.paths import from_stored
from cu_pipeline.datasets.local import LocalDataset

INDEX: Final = "samples.json"


@dataclass(frozen=True)
class SampleClip:
    """A clip that the page of the service offers.

    Attributes:
        path: of its media, as tables keep it.
        caption: of it.
    """

    path: str
    caption: str


class SampleFolder(LocalDataset[list[SampleClip], list[SampleClip]]):
    """Clips copied into one folder, with their captions in `samples.json`; what is no longer among them is removed."""

    def load(self) -> list[SampleClip]:
        told = json.loads((self._filepath / INDEX).read_text(encoding="utf-8"))
        return [SampleClip(str(self._filepath / one["file"]), one["caption"]) for one in told]

    def save(self, data: list[SampleClip]) -> None:
        self._filepath.mkdir(parents=True, exist_ok=True)
        names = {Path(one.path).name: one for one in data}
        for name, one in names.items():
            if not (self._filepath / name).is_file():
                with atomic_path(self._filepath / name) as temporary:
                    shutil.copyfile(from_stored(one.path), temporary)
        told = [{"file": name, "caption": one.caption} for name, one in names.items()]
        write_text(self._filepath / INDEX, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        for path in self._filepath.iterdir():
            if path.name not in {*names, INDEX}:
                path.unlink()
