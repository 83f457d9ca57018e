from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cu_pipeline.llm.clients.openai import OpenAIClient, openai_identity
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.packaged import PackagedClient, packaged_identity
from cu_pipeline.llm.clients.protocol import Client


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
