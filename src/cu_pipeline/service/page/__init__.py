"""The page at `/`, and the sample clips that it offers: static files of this host alone."""

import json
import mimetypes
from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

SAMPLES: Final = "samples.json"
"""In the folder of samples: a list of `{"file", "caption"}`."""

_PAGE: Final = "index.html"
_FILES: Final = {"page.css": "text/css"} | dict.fromkeys(["page.js", "answer.js", "words.js"], "text/javascript")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def routes(samples: Path | None) -> list[Route]:
    """The routes of the page.

    Args:
        samples: folder of the sample clips; None, or one that is not there: the page offers none.
    """

    async def listed(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
        return JSONResponse({"samples": read_samples(samples)})

    async def sample(request: Request) -> Response:
        name = request.path_params["name"]
        if samples is None or name not in {one["file"] for one in read_samples(samples)}:
            raise HTTPException(404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return FileResponse(samples / name, media_type=kind)

    return [
        Route("/", _page, name="page"),
        Route("/page/{name}", _file, name="page_files"),
        Route("/samples", listed, name="samples"),
        Route("/samples/{name}", sample, name="sample"),
    ]


def read_samples(folder: Path | None) -> list[dict[str, str]]:
    """What the page may offer, as far as it is there: `file` and `caption` of each."""
    if folder is None:
        return []
    try:
        found = json.loads((folder / SAMPLES).read_text(encoding="utf-8"))
        told = [{"file": str(one["file"]), "caption": str(one["caption"])} for one in found]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [one for one in told if Path(one["file"]).name == one["file"] and (folder / one["file"]).is_file()]


async def _page(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
    headers = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer", "cache-control": "no-cache"}
    return Response(_content(_PAGE), media_type="text/html", headers=headers)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    return Response(_content(name), media_type=_FILES[name], headers={"cache-control": "no-cache"})


def _content(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()
