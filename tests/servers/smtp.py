"""A mail server on this machine: keeps what it gets, speaks TLS and asks for a login where it is told to."""

import asyncio
import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass
class MailServer:
    """What a server is to do, and what it got.

    Attributes:
        tls: "", "starttls" or "ssl".
        certificate: of the server, with its key.
        login: user and password that it asks for; None: none.
        refusals: answers in place of the next ones to MAIL FROM, such as "451 later".
    """

    tls: str = ""
    certificate: Path | None = None
    login: tuple[str, str] | None = None
    refusals: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    secure: bool = False
    logged_in: bool = False
    port: int = 0

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.certificate is not None
        made.load_cert_chain(self.certificate)
        return made

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.secure = self.tls == "ssl"
        self.logged_in = False
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            words = line.decode().split()
            verb = words[0].upper() if words else ""
            if verb == "EHLO":
                offers = ["STARTTLS"] if self.tls == "starttls" and not self.secure else []
                offers += ["AUTH PLAIN"] if self.login else []
                lines = ["here", *offers]
                told = [f"250{' ' if number == len(lines) else '-'}{one}" for number, one in enumerate(lines, 1)]
                writer.write("\r\n".join([*told, ""]).encode())
            elif verb == "STARTTLS":
                writer.write(b"220 go\r\n")
                await writer.drain()
                await writer.start_tls(self.context())
                self.secure = True
            elif verb == "AUTH":
                said = tuple(base64.b64decode(words[2]).decode().split("\0")[1:])
                self.logged_in = said == self.login
                writer.write(b"235 welcome\r\n" if self.logged_in else b"535 who are you\r\n")
            elif verb == "MAIL" and self.refusals:
                writer.write(f"{self.refusals.pop(0)}\r\n".encode())
            elif verb == "MAIL" and self.login and not self.logged_in:
                writer.write(b"530 log in\r\n")
            elif verb == "RCPT":
                self.recipients.append(words[1])
                writer.write(b"250 yes\r\n")
            elif verb == "DATA":
                writer.write(b"354 go\r\n")
                body = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(message_from_bytes(body[:-5], policy=policy.default))
                writer.write(b"250 kept\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 yes\r\n")
            await writer.drain()
        writer.close()


@contextmanager
def running(server: MailServer) -> Iterator[MailServer]:
    """Run a mail server in a thread."""
    started = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        context = server.context() if server.tls == "ssl" else None
        listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=context)
        server.port = listening.sockets[0].getsockname()[1]
        started.set()
        async with listening:
            await over.wait()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
