from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cu_pipeline.prompting.client import Client
from cu_pipeline.prompting.openai_client import OpenAIClient, openai_identity
from cu_pipeline.prompting.options import ClientOptions
from cu_pipeline.prompting.packaged import PackagedClient, packaged_identity


@dataclass(frozen=True)
class ClientKind:
    """A way to reach a language model.

    Attributes:
        identity: gives the client's identity without starting it.
        open: starts it.
    """

    identity: Callable[[ClientOptions], str]
    open: Callable[[ClientOptions], Client]


CLIENTS: Final[dict[str, ClientKind]] = {
    "packaged": ClientKind(packaged_identity, PackagedClient),
    "openai": ClientKind(openai_identity, OpenAIClient),
}


def client_kind(options: ClientOptions) -> ClientKind:
    """Find the client that `options` name."""
    return CLIENTS[options.name]
