"""What a key must allow for each path; what is not listed needs a key of any kind."""

from typing import Final

from cu_pipeline.service.security.api_keys import KeyScope

HEALTH: Final = frozenset({"/livez", "/healthz", "/readyz"})
"""Answered to everybody, so that whoever watches the service needs nothing."""

STATIC: Final = frozenset({"/", "/docs", "/openapi.json", "/favicon.ico"})
STATIC_BELOW: Final = ("/page/", "/docs/")
"""Files that are the same for all; what they call needs its key."""

SCOPES: Final = {
    "/classify": KeyScope.CLASSIFY,
    "/classify_batch": KeyScope.CLASSIFY,
    "/embed": KeyScope.CLASSIFY,
    "/capabilities": KeyScope.CLASSIFY,
    "/feedback": KeyScope.FEEDBACK,
    "/metrics": KeyScope.METRICS,
}
SCOPES_BELOW: Final = {"/captures": KeyScope.ADMIN, "/samples": KeyScope.CLASSIFY}


def is_static(method: str, path: str) -> bool:
    """Whether a request reads a file that is the same for all.

    >>> is_static("GET", "/page/page.js"), is_static("POST", "/"), is_static("GET", "/page/../metrics")
    (True, False, False)
    """
    reads = method in {"GET", "HEAD"} and ".." not in path
    return reads and (path in STATIC or path.startswith(STATIC_BELOW))


def needed_scope(path: str) -> KeyScope | None:
    """What a key must allow to ask for a path; None: any key may.

    >>> needed_scope("/captures/0af1"), needed_scope("/classify/"), needed_scope("/other")
    (<KeyScope.ADMIN: 'admin'>, <KeyScope.CLASSIFY: 'classify'>, None)
    """
    path = path.rstrip("/")
    return SCOPES.get(path) or SCOPES_BELOW.get("/" + path.lstrip("/").split("/", 1)[0])
