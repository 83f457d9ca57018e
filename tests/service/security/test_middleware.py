import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from cu_pipeline.service.security.api_keys import KeyScope, NewKey, create_key
from cu_pipeline.service.security.middleware import protected
from cu_pipeline.service.security.settings import SecuritySettings

NOW = datetime.now(UTC)
SITE = "https://tools.example.org"


@dataclass
class Behind:
    """The application behind, which keeps what came to it."""

    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"text/plain")])
    scopes: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"behind"})


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        return str(json.loads(self.body)["reason"])


class Service:
    def __init__(self, settings: SecuritySettings) -> None:
        self.behind = Behind()
        self.refusals: list[str] = []
        self.app = protected(self.behind, settings, self.refusals.append)

    def ask(
        self,
        method: str = "GET",
        path: str = "/capabilities",
        peer: tuple[str, int] | None = ("127.0.0.1", 1),
        scheme: str = "http",
        key: str = "",
        **headers: str,
    ) -> Answer:
        """Ask without a body: reading one fails the test."""
        told = {"host": "localhost:3000", **({"x-api-key": key} if key else {})}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [(name.encode(), value.encode()) for name, value in told.items() if value]
        scope = {"type": "http", "method": method, "path": path, "client": peer, "headers": lines, "scheme": scheme}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("the body was read")

        asyncio.run(self.app(scope, receive, send))
        answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        assert len(answer) == len(sent[0]["headers"]), "a header is there twice"
        return Answer(sent[0]["status"], answer, sent[1]["body"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def local(path: Path) -> Service:
    return Service(SecuritySettings(keys=path))


@pytest.fixture
def keys(path: Path) -> dict[str, str]:
    made = {scope.value: NewKey(scope.value, (scope,)) for scope in KeyScope}
    made |= {"slow": NewKey("slow", rate="2/h"), "old": NewKey("old", lifetime=timedelta(hours=1))}
    return {name: create_key(path, new, NOW - timedelta(hours=2))[0] for name, new in made.items()}


@pytest.fixture
def keyed(path: Path, keys: Mapping[str, str]) -> Service:
    return Service(SecuritySettings(keys=path, rate="100/h"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_keys_this_machine_is_answered(local: Service, peer: str) -> None:
    assert local.ask(peer=(peer, 5)).status == 200
    assert local.behind.scopes[0]["state"]["key"] == ""


@pytest.mark.parametrize("peer", [("10.0.0.1", 5), ("::ffff:10.0.0.1", 5), ("0.0.0.0", 5), ("testclient", 5), None])
@pytest.mark.parametrize("path_", ["/classify", "/", "/metrics", "/docs", "/none"])
def test_without_keys_nobody_else_is_answered(local: Service, peer: tuple[str, int] | None, path_: str) -> None:
    answer = local.ask("POST" if path_ == "/classify" else "GET", path_, peer)
    assert (answer.status, answer.reason, local.refusals) == (403, "not_local", ["not_local"])
    assert local.ask(path=path_, peer=peer, host="10.0.0.9:3000").reason == "not_local"  # which tells the remedy
    assert b"kedro keys create NAME" in answer.body
    assert local.behind.scopes == []


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "x_forwarded_host", "x_real_ip", "via"])
def test_without_keys_what_a_proxy_forwards_is_refused(local: Service, header: str) -> None:
    assert local.ask(**{header: "127.0.0.1"}).reason == "not_local"


@pytest.mark.parametrize("path_", ["/livez", "/healthz", "/readyz"])
def test_everybody_may_ask_whether_the_service_lives(keyed: Service, local: Service, path_: str) -> None:
    for service in (keyed, local):
        assert service.ask(path=path_, peer=("10.0.0.1", 5), host="10.1.1.1:3000", via="probe").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil", "", "[::2]"]
)
def test_without_keys_another_name_of_this_machine_is_refused(local: Service, host: str) -> None:
    assert local.ask(host=host).reason == "host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:3000", "[::1]:3000", "[::1]"])
def test_this_machine_has_several_names(local: Service, host: str) -> None:
    assert local.ask(host=host).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8000", "http://[", "file://"])
def test_without_keys_pages_of_other_sites_are_refused(local: Service, origin: str) -> None:
    answer = local.ask("POST", "/classify", origin=origin)
    assert (answer.status, answer.reason) == (403, "origin")
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_page_may_ask(local: Service) -> None:
    assert local.ask("POST", "/classify", origin="http://localhost:3000").status == 200


def test_hosts_by_setting_count_with_keys_too(path: Path, keys: Mapping[str, str], keyed: Service) -> None:
    named = Service(SecuritySettings(keys=path, hosts=("api.example.org",)))
    assert keyed.ask(key=keys["classify"], host="any.example").status == 200
    assert named.ask(key=keys["classify"], host="any.example").reason == "host"
    assert named.ask(key=keys["classify"], host="API.example.org:443").status == 200


NEEDS = [
    ("POST", "/classify", "classify"),
    ("POST", "/classify/", "classify"),
    ("POST", "/classify_batch", "classify"),
    ("POST", "/embed", "classify"),
    ("GET", "/capabilities", "classify"),
    ("POST", "/feedback", "feedback"),
    ("GET", "/metrics", "metrics"),
    ("DELETE", "/captures/0af1", "admin"),
    ("DELETE", "//captures/0af1", "admin"),
    ("GET", "/samples", "classify"),
    ("GET", "/samples/clip.mp4", "classify"),
]


@pytest.mark.parametrize(("method", "path_", "scope"), NEEDS)
def test_each_path_needs_its_scope(
    keyed: Service, keys: Mapping[str, str], method: str, path_: str, scope: str
) -> None:
    for name in map(str, KeyScope):
        answer = keyed.ask(method, path_, ("10.0.0.1", 5), key=keys[name])
        assert answer.status == (200 if name == scope else 403)
        if name != scope:
            assert f"the key {name} lacks the scope {scope}; it has: {name}" in answer.body.decode()
            assert f'scope="{scope}"' in answer.headers["www-authenticate"]
    answer = keyed.ask(method, path_)
    assert (answer.status, answer.reason) == (401, "no_key")
    assert answer.headers["www-authenticate"] == 'Bearer realm="cu_pipeline"'
    assert answer.headers["connection"] == "close"


def test_static_files_need_no_key_and_unknown_paths_any(keyed: Service, keys: Mapping[str, str]) -> None:
    for path_ in ("/", "/docs", "/docs/start.js", "/openapi.json", "/page/page.js"):
        assert keyed.ask(path=path_).status == 200
    for method, path_ in (("POST", "/"), ("GET", "/page/../metrics"), ("GET", "/none"), ("GET", ""), ("PUT", "/docs")):
        assert keyed.ask(method, path_).status == 401
    assert keyed.ask(path="/none", key=keys["feedback"]).status == 200


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_a_key_may_come_as_a_bearer_token(keyed: Service, keys: Mapping[str, str], form: str) -> None:
    assert keyed.ask(authorization=form.format(keys["classify"])).status == 200
    assert keyed.behind.scopes[0]["state"]["key"] == "classify"


@pytest.mark.parametrize("form", ["{}", "Basic {}", "Bearer", "Bearer {}x"])
def test_other_authorizations_are_no_key(keyed: Service, keys: Mapping[str, str], form: str) -> None:
    assert keyed.ask(authorization=form.format(keys["classify"])).status == 401


def test_an_expired_key_is_told_from_an_unknown_one(keyed: Service, keys: Mapping[str, str]) -> None:
    assert keyed.ask(key=keys["old"]).reason == "expired_key"
    unknown = keyed.ask(key="cup_" + "A" * 43)
    assert (unknown.status, unknown.reason) == (401, "unknown_key")
    assert 'error="invalid_token"' in unknown.headers["www-authenticate"]


def test_a_key_goes_no_further(keyed: Service, keys: Mapping[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    keyed.ask(key=keys["classify"], authorization=f"Bearer {keys['classify']}", accept="*/*")
    keyed.ask(key=keys["old"])
    keyed.ask(key="cup_wrong")
    assert dict(keyed.behind.scopes[0]["headers"]) == {b"host": b"localhost:3000", b"accept": b"*/*"}
    assert "cup_" not in repr(keyed.behind.scopes) + caplog.text


def test_a_key_is_held_to_its_rate_and_others_are_not(keyed: Service, keys: Mapping[str, str]) -> None:
    assert [keyed.ask(key=keys["slow"]).status for _ in range(3)] == [200, 200, 429]
    answer = keyed.ask(key=keys["slow"])
    assert answer.reason == "rate"
    assert 1700 <= int(answer.headers["retry-after"]) <= 1800
    assert [keyed.ask(key=keys["classify"]).status for _ in range(101)] == [200] * 100 + [429]
    assert keyed.ask(path="/").status == keyed.ask(path="/livez").status == 200


def test_without_keys_each_address_is_held_to_the_rate(path: Path) -> None:
    service = Service(SecuritySettings(keys=path, without_keys=True, rate="2/h"))
    for peer in ("10.0.0.1", "10.0.0.2", "2001:db8::1"):
        assert [service.ask(peer=(peer, port)).status for port in range(3)] == [200, 200, 429]
    assert service.ask(peer=("2001:db8::ffff", 1)).status == 429  # of the same network
    assert service.ask(peer=("2001:db8:0:1::1", 1)).status == 200


def test_a_service_that_is_open_on_purpose_answers_everybody(path: Path, keys: Mapping[str, str]) -> None:
    service = Service(SecuritySettings(keys=path, without_keys=True))
    answer = service.ask("POST", "/classify", ("10.0.0.1", 5), host="a.example", x_forwarded_for="1.1.1.1", origin=SITE)
    assert answer.status == 200


@pytest.mark.parametrize("given", ["r-1", "A:b_c.d-9", "x" * 128])
def test_a_refusal_has_the_clients_request_id(local: Service, given: str) -> None:
    answer = local.ask(host="evil.example", x_request_id=given)
    assert answer.headers["x-request-id"] == json.loads(answer.body)["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "ä", 'a"'])
def test_another_request_id_is_replaced(local: Service, given: str) -> None:
    answer = local.ask(host="evil.example", x_request_id=given)
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def test_answers_and_refusals_have_the_security_headers(local: Service) -> None:
    for answer in (local.ask(), local.ask(host="evil.example")):
        assert SECURITY_HEADERS.items() <= answer.headers.items()
        assert not {"strict-transport-security", "access-control-allow-origin", "vary"} & answer.headers.keys()
    assert "strict-transport-security" in local.ask(scheme="https").headers


def test_what_the_application_sets_itself_stays(local: Service) -> None:
    local.behind.headers = [(b"Content-Security-Policy", b"default-src 'self'"), (b"cache-control", b"max-age=60")]
    headers = local.ask().headers
    assert headers["Content-Security-Policy"] == "default-src 'self'"
    assert headers["cache-control"] == "max-age=60"
    assert "content-security-policy" not in headers


PREFLIGHT = {"access_control_request_method": "POST", "access_control_request_headers": "x-api-key,content-type"}


def test_pages_of_named_sites_may_ask_with_their_key(path: Path, keys: Mapping[str, str]) -> None:
    service = Service(SecuritySettings(keys=path, origins=(SITE,)))
    before = service.ask("OPTIONS", "/classify", origin=SITE, **PREFLIGHT)
    assert before.status == 204
    assert before.headers["access-control-allow-origin"] == SITE
    assert {"x-api-key", "authorization"} <= set(before.headers["access-control-allow-headers"].split(", "))
    assert "POST" in before.headers["access-control-allow-methods"]
    assert before.headers["vary"] == "origin"
    for key, status in ((keys["classify"], 200), ("", 401)):  # a page may read refusals too
        answer = service.ask("POST", "/classify", origin=SITE, key=key)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, SITE)
        assert "access-control-allow-credentials" not in answer.headers
    assert service.behind.scopes[0]["path"] == "/classify"


def test_a_preflight_of_another_site_is_not_answered(path: Path, keys: Mapping[str, str], keyed: Service) -> None:
    named = Service(SecuritySettings(keys=path, origins=(SITE,)))
    for service in (named, keyed):
        answer = service.ask("OPTIONS", "/classify", origin=f"{SITE}.evil.example", **PREFLIGHT)
        assert answer.status == 401
        assert "access-control-allow-origin" not in answer.headers
    assert "vary" in named.ask(key=keys["classify"]).headers  # caches must not mix sites
    named.behind.headers = [(b"Vary", b"accept-encoding")]
    answer = named.ask(key=keys["classify"])
    assert (answer.headers["Vary"], answer.headers["vary"]) == ("accept-encoding", "origin")


@pytest.fixture
def address(path: Path, keys: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    async def reading(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await Behind()(scope, receive, send)

    app = protected(reading, SecuritySettings(keys=path))
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="critical", ws="none")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


def test_a_client_without_a_key_is_refused_before_it_sends_its_body(
    address: tuple[str, int], keys: Mapping[str, str]
) -> None:
    head = "POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(f"{head}\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 401 ")
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(f"{head}X-Api-Key: {keys['classify']}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"body")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
