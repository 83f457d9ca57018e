"""`GET /docs`: the description of the interface in Swagger's page, from files that BentoML brings."""

from functools import cache
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_FILES: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}

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
