import os
import signal
from contextlib import suppress

SUPERVISOR = "bentoml"


def stop_supervisor() -> bool:
    """End `bentoml serve` when this process is its worker: it would start a worker that must fail again and again.

    Returns:
        Whether there was one to end.
    """
    import psutil
    from bentoml import server_context

    if server_context.worker_index is None:
        return False
    with suppress(psutil.Error):
        parent = psutil.Process(os.getppid())
        if any(SUPERVISOR in argument for argument in parent.cmdline()):
            parent.send_signal(signal.SIGTERM)
            return True
    return False
