def bound_heads() -> None:
    """Let the uvicorn that this process will start use bounded connections; BentoML starts it without asking which.

    Without httptools uvicorn takes h11, where it bounds the length of heads itself.
    """
    from uvicorn.protocols.http import auto

    try:
        from cu_pipeline.service.security.connections import BoundedHeads
    except ModuleNotFoundError as error:
        if error.name != "httptools":
            raise
    else:
        auto.AutoHTTPProtocol = BoundedHeads
