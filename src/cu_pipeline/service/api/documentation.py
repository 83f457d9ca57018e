"""What the interface says of itself: keys in its description, and `GET /docs`, Swagger's page, from BentoML's files."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from cu_pipeline.service.security.routes import HEALTH, needed_scope

_FILES: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}

_SCHEMES: Final[dict[str, dict[str, str]]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `kedro keys create NAME`."},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same key in another header."},
}
"""How a key is sent, by names that the description of each operation refers to."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>cu-pipeline: API</title>
<link rel="stylesheet" href="docs/swagger/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START: Final = """window.onload = () => {
  SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});
};
"""

_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def describe_keys(app: FastAPI, *, asked_for: bool) -> None:
    """Add to the description of an application which key each operation asks for, with the scope that it must have.

    Args:
        app: all of whose routes are there.
        asked_for: whether keys are; else they are told of as an option.
    """
    written = app.openapi

    def described() -> dict[str, Any]:
        found = written()
        found.setdefault("components", {})["securitySchemes"] = _SCHEMES
        for path, operations in found["paths"].items():
            scope = needed_scope(path)
            needs: list[dict[str, list[str]]] = [{name: [scope] if scope else []} for name in _SCHEMES]
            for operation in operations.values():
                operation["security"] = [] if path in HEALTH else [*([] if asked_for else [{}]), *needs]
        return found

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI advises


async def _page(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
    return HTMLResponse(_PAGE, headers={"content-security-policy": _POLICY, "referrer-policy": "no-referrer"})


async def _start(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
    return Response(_START, media_type="text/javascript")


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    return Response(_content(name), media_type=_FILES[name], headers={"cache-control": "max-age=86400"})


@cache
def _content(name: str) -> bytes:
    from bentoml._internal import server

    return (Path(server.__file__).parent / "static_content" / name).read_bytes()


ROUTES: Final = [
    Route("/docs", _page, name="docs"),
    Route("/docs/start.js", _start, name="docs_start"),
    Route("/docs/swagger/{name}", _file, name="docs_files"),
]
