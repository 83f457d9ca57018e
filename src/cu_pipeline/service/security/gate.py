import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from cu_pipeline.service.refusal import Scope
from cu_pipeline.service.security.api_keys import ApiKey, find_key, utc_now
from cu_pipeline.service.security.keyring import Keyring
from cu_pipeline.service.security.rates import Rate, RateLimiter
from cu_pipeline.service.security.routes import HEALTH, is_static, needed_scope
from cu_pipeline.service.security.settings import HOSTS_VARIABLE, OPEN_VARIABLE, ORIGINS_VARIABLE, SecuritySettings

KEY_HEADERS: Final = frozenset({b"authorization", b"x-api-key"})

_FORWARDING: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"via"}
)
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_CHALLENGE: Final = 'Bearer realm="cu_pipeline"'


@dataclass
class DeniedError(Exception):
    """A request that may not pass, and what it is told.

    Attributes:
        key: name of the key that asks too often; "" where it has none, or another reason.
    """

    status: int
    reason: str
    error: str
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


class Gate:
    """Decides by a request's head alone who may pass.

    Args:
        settings: who may use the service.
        now: what keys' expiry is compared with.

    Raises:
        ConfigurationError: the file of keys cannot be used.
    """

    def __init__(self, settings: SecuritySettings, now: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._now = now
        self._keyring = None if settings.without_keys else Keyring(settings.keys, settings.former_keys)
        self._limiter = RateLimiter()
        self._rate = Rate.parse(settings.rate)

    def admit(self, scope: Scope) -> str:
        """Let a request pass.

        Args:
            scope: of the ASGI request.

        Returns:
            The name of its key; "" where none was asked for.

        Raises:
            DeniedError: it may not.
        """
        path, headers = scope["path"], dict(scope["headers"])
        if path in HEALTH:
            return ""
        keys = self._keyring.keys() if self._keyring else None
        local = self._keyring is not None and keys is None
        if local:
            _check_local(scope, headers)
            self._check_origin(headers)
        self._check_host(headers, local=local)
        if is_static(scope["method"], path):
            return ""
        if keys is None:
            self._count(f"peer {_network(_address(scope))}", self._rate)
            return ""
        key = self._find(keys, headers)
        self._count(f"key {key.name}", Rate.parse(key.rate) if key.rate else self._rate, key.name)
        _check_scope(key, path)
        return key.name

    def _find(self, keys: Iterable[ApiKey], headers: Mapping[bytes, bytes]) -> ApiKey:
        presented = _presented(headers)
        if presented is None:
            told = "this service asks for a key: send it as `Authorization: Bearer KEY` or `X-Api-Key: KEY`"
            raise DeniedError(401, "no_key", told, {"www-authenticate": _CHALLENGE})
        challenge = {"www-authenticate": f'{_CHALLENGE}, error="invalid_token"'}
        key = find_key(keys, presented)
        if key is None:
            told = "the key is not known, or was revoked: ask those who run this service for another"
            raise DeniedError(401, "unknown_key", told, challenge)
        if key.expires and not key.valid_at(self._now()):
            told = (
                f"the key {key.name} expired at {key.expires.isoformat()}: ask those who run this service for another"
            )
            raise DeniedError(401, "expired_key", told, challenge)
        return key

    def _check_host(self, headers: Mapping[bytes, bytes], *, local: bool) -> None:
        allowed = self._settings.hosts or (_THIS_MACHINE if local else ())
        host = _host_name(headers.get(b"host", b"").decode("latin-1"))
        if allowed and host not in allowed:
            told = f"no host of that name is served here; served: {', '.join(sorted(allowed))}. See {HOSTS_VARIABLE}"
            raise DeniedError(403, "host", told)

    def _check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Without keys, any page that the user visits could otherwise send forms here."""
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        own = headers.get(b"host", b"").decode("latin-1").lower()
        if origin and origin not in self._settings.origins and _place(origin) != own:
            raise DeniedError(403, "origin", f"pages of other sites may not ask here; see {ORIGINS_VARIABLE}")

    def _count(self, caller: str, rate: Rate, key: str = "") -> None:
        if wait := self._limiter.wait(caller, rate):
            told = f"at most {rate.requests} requests in {rate.seconds} s: try again in {wait} s"
            raise DeniedError(429, "rate", told, {"retry-after": str(wait)}, key)


def _check_local(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    address = _address(scope)
    if address is None or not address.is_loopback or _FORWARDING & headers.keys():
        told = (
            "without API keys only programs on this machine are answered, and nothing that a proxy forwards. Those who "
            f"run this service make keys by `kedro keys create NAME`, or set {OPEN_VARIABLE}=1 where a proxy before it "
            "checks who asks"
        )
        raise DeniedError(403, "not_local", told)


def _check_scope(key: ApiKey, path: str) -> None:
    scope = needed_scope(path)
    if scope is not None and scope not in key.scopes:
        told = f"the key {key.name} lacks the scope {scope}; it has: {', '.join(key.scopes)}"
        headers = {"www-authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'}
        raise DeniedError(403, "scope", told, headers)


def _presented(headers: Mapping[bytes, bytes]) -> str | None:
    """The key as it was sent; None: none was."""
    if (given := headers.get(b"x-api-key")) is not None:
        return given.decode("latin-1").strip()
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return given.decode("latin-1").strip() if scheme.lower() == b"bearer" else None


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(scope: Scope) -> Address | None:
    """Where a request comes from; None where that is no address, such as a socket in a file."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(address: Address | None) -> str:
    """What counts as one caller: an address, of IPv6 the /64 that one household or machine has."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def _host_name(host: str) -> str:
    """The name in a Host header.

    >>> _host_name("LOCALHOST:3000"), _host_name("[::1]:3000"), _host_name("example.org")
    ('localhost', '::1', 'example.org')
    """
    host = host.strip().lower()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _place(origin: str) -> str:
    """The host and port of an origin; "" of one that has none, such as `null`."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
