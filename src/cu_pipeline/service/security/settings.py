import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.core.paths import project_root
from cu_pipeline.service.security.rates import Rate, WrittenRate
from cu_pipeline.service.workspace import RUN_VARIABLE

KEYS_VARIABLE: Final = "CU_PIPELINE_KEYS"
OPEN_VARIABLE: Final = "CU_PIPELINE_OPEN"
HOSTS_VARIABLE: Final = "CU_PIPELINE_HOSTS"
ORIGINS_VARIABLE: Final = "CU_PIPELINE_ORIGINS"
RATE_VARIABLE: Final = "CU_PIPELINE_RATE"

KEYS: Final = Path("data/06_models/service_keys.json")
RATE: Final = "1000/s"

_FORMER: Final = "service_keys.json"

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|\[?[0-9a-fA-F:]+\]?")


class SecuritySettings(Options):
    """Who may use the service.

    Attributes:
        keys: file of API keys, which may be absent.
        former_keys: where the workers of one start of the service keep what that file held; None: nowhere.
        without_keys: answer everybody: something before the service knows who asks.
        hosts: names that requests may be addressed to; empty: this machine's own while there are no keys, else any.
        origins: web sites whose pages may use the service, as browsers write them.
        rate: of a key that has none of its own, and of an address where no key is asked for.
    """

    keys: Path
    former_keys: Path | None = None
    without_keys: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    rate: WrittenRate = Field(default=RATE)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "SecuritySettings":
        """Read the settings of this process.

        Raises:
            ConfigurationError: lists each variable that has a value of another form, or names an absent file of keys.
        """
        problems = [*_problems(environment)]
        if problems:
            raise ConfigurationError(problems)
        return cls(
            keys=_keys(environment),
            former_keys=_former_keys(environment),
            without_keys=_is_open(environment),
            hosts=tuple(host.strip("[]").lower() for host in _listed(environment, HOSTS_VARIABLE)),
            origins=tuple(origin.lower() for origin in _listed(environment, ORIGINS_VARIABLE)),
            rate=environment.get(RATE_VARIABLE) or RATE,
        )


def keys_path(environment: Mapping[str, str] = os.environ, root: Path | None = None) -> Path:
    """Where the file of keys lies: the variable, else its place in the project.

    Args:
        environment: of the process.
        root: the project's folder.
    """
    return Path(environment.get(KEYS_VARIABLE) or (root or project_root()) / KEYS)


def _keys(environment: Mapping[str, str]) -> Path:
    return keys_path(environment).absolute()


def _former_keys(environment: Mapping[str, str]) -> Path | None:
    run = environment.get(RUN_VARIABLE)
    return Path(run) / _FORMER if run else None


def _is_open(environment: Mapping[str, str]) -> bool:
    return (environment.get(OPEN_VARIABLE) or "0") == "1"


def _listed(environment: Mapping[str, str], variable: str) -> list[str]:
    return [item.strip() for item in (environment.get(variable) or "").split(",") if item.strip()]


def _problems(environment: Mapping[str, str]) -> list[str]:
    problems = []
    if (given := environment.get(OPEN_VARIABLE) or "0") not in {"0", "1"}:
        problems.append(f"{OPEN_VARIABLE}={given!r}: give 1 to answer without keys, or 0")
    problems.extend(
        f"{HOSTS_VARIABLE}: {host!r} is no name of a host: give names without port, split by commas"
        for host in _listed(environment, HOSTS_VARIABLE)
        if not _HOST.fullmatch(host)
    )
    problems.extend(
        f"{ORIGINS_VARIABLE}: {origin!r} is no origin: give such as https://tools.example.org, split by commas"
        for origin in _listed(environment, ORIGINS_VARIABLE)
        if not _ORIGIN.fullmatch(origin)
    )
    try:
        Rate.parse(environment.get(RATE_VARIABLE) or RATE)
    except ConfigurationError as error:
        problems.append(f"{RATE_VARIABLE}: {error}")
    used = [_keys(environment), _former_keys(environment)]
    if environment.get(KEYS_VARIABLE) and not _is_open(environment) and not any(one and one.exists() for one in used):
        problems.append(
            f"{KEYS_VARIABLE} names {_keys(environment)}, where no file is: make a key by `kedro keys create NAME`, or "
            "unset the variable to serve this machine only"
        )
    return problems
