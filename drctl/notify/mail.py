"""Mail over SMTP, with one deadline over all of it."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from enum import StrEnum

from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.notify.channel import Terms
from drctl.notify.notice import Notice

DOMAIN = "drctl.invalid"
"""Of message ids: the machine's own name is nobody's business, and asking for it may wait for a name server."""


class Security(StrEnum):
    """How the way to the mail server is kept private."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A mail server, and as whom to speak to it."""

    host: str
    port: int
    security: Security
    user: str
    password: str


class Mail:
    """A mail server and those who read."""

    def __init__(self, terms: Terms, server: Server, *, sender: str, recipients: tuple[str, ...]) -> None:
        self.terms = terms
        self._server = server
        self._sender = sender
        self._recipients = recipients

    def send(self, notice: Notice, *, deadline_s: float) -> None:
        """Hand one message over to the server."""
        client = _client(self._server, deadline_s)
        # A socket's timeout is of one call: a server that drips would never run out of it.
        watchdog = threading.Timer(deadline_s, _cut, args=(client,))
        watchdog.daemon = True
        watchdog.start()
        try:
            client.connect(self._server.host, self._server.port)
            if self._server.security is Security.STARTTLS:
                client.starttls(context=ssl.create_default_context())
            if self._server.user:
                client.login(self._server.user, self._server.password)
            refused = client.send_message(self._message(notice))
            with suppress(smtplib.SMTPException, OSError):
                client.quit()
        except smtplib.SMTPResponseException as error:
            said = f"the mail server said {error.smtp_code} {_text(error.smtp_error)}"
            raise (EffectRefused(said) if 500 <= error.smtp_code < 600 else EffectUnknown(said)) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise EffectRefused(f"the mail server takes nothing for {', '.join(error.recipients)}") from error
        except ssl.SSLCertVerificationError as error:
            raise EffectRefused(f"{self._server.host} does not prove who it is: {error.verify_message}") from error
        except (smtplib.SMTPException, OSError, AttributeError, ValueError) as error:
            # The watchdog's cut is seen as any of these, by where the conversation stood.
            raise EffectUnknown(
                f"{self._server.host}:{self._server.port}: {str(error) or type(error).__name__}"
            ) from error
        finally:
            watchdog.cancel()
            _cut(client)
        if refused:
            raise EffectRefused(f"the mail server takes nothing for {', '.join(refused)}")

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = notice.title(self.terms.language)
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Date"] = format_datetime(notice.at)
        message["Message-ID"] = make_msgid(domain=DOMAIN)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.body(self.terms.language) + "\n")
        return message


class _Plain(smtplib.SMTP):
    """Not connected by its constructor, so that the watchdog has something to cut; it knows whose certificate to expect."""

    def __init__(self, host: str, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s, local_hostname="drctl")
        self._host = host


class _Private(smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""

    def __init__(self, host: str, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s, local_hostname="drctl", context=ssl.create_default_context())
        self._host = host


def _client(server: Server, timeout_s: float) -> smtplib.SMTP:
    kind = _Private if server.security is Security.TLS else _Plain
    return kind(server.host, timeout_s)


def _cut(client: smtplib.SMTP) -> None:
    if client.sock is not None:
        with suppress(OSError):
            client.sock.shutdown(socket.SHUT_RDWR)
        client.close()


def _text(said: bytes | str) -> str:
    return " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())[:200]
