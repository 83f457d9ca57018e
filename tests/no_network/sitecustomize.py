"""Put on PYTHONPATH: refuses connections that leave this machine and notes each attempt in a file."""

import os
import socket
from pathlib import Path

_LOCAL = {"localhost", "127.0.0.1", "::1", "", None, socket.gethostname()}


def _refuse(host):
    with Path(os.environ["REFUSED_CONNECTIONS"]).open("a", encoding="utf-8") as stream:
        stream.write(f"{host}\n")
    raise OSError(f"no connection to {host}: outbound sockets are refused here")


def _guard(name):
    original = getattr(socket.socket, name)

    def guarded(self, address):
        if self.family != socket.AF_UNIX and address[0] not in _LOCAL:
            _refuse(address[0])
        return original(self, address)

    setattr(socket.socket, name, guarded)


_guard("connect")
_guard("connect_ex")
_resolve = socket.getaddrinfo


def _guarded_resolve(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in _LOCAL:
        _refuse(name)
    return _resolve(host, *args, **kwargs)


socket.getaddrinfo = _guarded_resolve
