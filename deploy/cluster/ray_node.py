"""`ray start`, whose nodes stay on the loopback address: Ray itself puts the machine's own in its place."""

import sys

from ray._private import services
from ray.scripts.scripts import main


def _as_given(host: str) -> str:
    return host


if __name__ == "__main__":
    services.resolve_ip_for_localhost = _as_given
    sys.exit(main())
