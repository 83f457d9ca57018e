"""What a run's numbers can depend on besides code, data and parameters: machine, threads, device, libraries."""

import os
import platform
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from cu_pipeline.core.hashing import file_sha256

_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
)
_UNSET: Final = "not set"
_OWN: Final = "cu-pipeline"


class Environment(BaseModel):
    """Where a run took place.

    Attributes:
        facts: name -> value, both for people to read: `python`, `cpu`, `threads.torch`, `decoder.libavcodec`, …
        packages: installed distribution -> version, without this project, whose code git has.
    """

    facts: dict[str, str] = {}
    packages: dict[str, str] = {}

    def differences(self, other: "Environment") -> dict[str, tuple[str, str]]:
        """Name what differs: name -> value here and there; "" where one does not tell.

        >>> Environment(facts={"python": "3.11"}).differences(Environment(packages={"numpy": "2.1"}))
        {'python': ('3.11', ''), 'package numpy': ('', '2.1')}
        """
        own, others = self._flat(), other._flat()
        names = dict.fromkeys([*own, *others])
        return {name: (own.get(name, ""), others.get(name, "")) for name in names if own.get(name) != others.get(name)}

    def _flat(self) -> dict[str, str]:
        return self.facts | {f"package {name}": version for name, version in self.packages.items()}


def environment(root: Path) -> Environment:
    """Look at this process, when the nodes have run: what of torch and the decoders counts is known then.

    Args:
        root: the project's folder.
    """
    constraints = root / "constraints.txt"
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpu cores": str(os.cpu_count()),
        "constraints.txt": file_sha256(constraints)[:12] if constraints.is_file() else "none",
        **{name: os.environ.get(name, _UNSET) for name in _VARIABLES},
        **_of_torch(sys.modules.get("torch")),
        **_decoders(),
    }
    return Environment(facts=facts, packages=_packages())


def _cpu() -> str:
    """The processor's name as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _of_torch(torch: Any) -> dict[str, str]:
    if torch is None:
        return {}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    instructions = str(torch.backends.cpu.get_cpu_capability())
    return {"torch threads": str(torch.get_num_threads()), "device": device, "cpu instructions": instructions}


def _decoders() -> dict[str, str]:
    from cu_pipeline.media.decoding import decoder_identity

    return {f"decoder {name}": str(value) for name, value in decoder_identity().items()}


@cache
def _packages() -> dict[str, str]:
    found = {one.name.lower().replace("_", "-"): one.version for one in distributions() if one.name}
    return {name: version for name, version in sorted(found.items()) if name != _OWN}
