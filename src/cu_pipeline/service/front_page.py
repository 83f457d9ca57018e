"""The service's front page: BentoML's own asks a host on the internet to watch its readers, this one asks none."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Final

from cu_pipeline.service.refusal import Application, Receive, Scope, Send

_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class FrontPage:
    """ASGI middleware that answers `GET /` with a page of the package, and leaves all else to the application.

    The page shows the description of the interface with the Swagger UI that BentoML brings and serves itself. Its
    policy keeps browsers from loading anything from another host, whatever scripts should come to want.

    Args:
        app: the application behind.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or not _is_root(scope):
            await self._app(scope, receive, send)
            return
        body = page()
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"content-security-policy", policy().encode()),
            (b"referrer-policy", b"no-referrer"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


@cache
def page() -> bytes:
    """The page, in UTF-8."""
    return files("cu_pipeline.service").joinpath("front_page.html").read_bytes()


@cache
def policy() -> str:
    """What a browser may load for the page: from this host only, and of scripts in the page those that are ours."""
    scripts = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()) for script in _SCRIPT.findall(page().decode())
    ]
    ours = " ".join(f"'sha256-{digest.decode()}'" for digest in scripts)
    return (
        "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        f"script-src 'self' {ours}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _is_root(scope: Scope) -> bool:
    """Whether the application's own root is asked for, also behind a proxy that tells its prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).strip("/") == ""
