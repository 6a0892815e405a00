"""What the scripted server offers, apart from its script."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Offers:
    """
    What the server offers, apart from its script. `extensions` are keywords of EHLO, word for word.

    STARTTLS is offered where there is a `tls` context (with `implicit_tls` the handshake comes first of all), AUTH
    where there are `credentials` (user, password), under TLS if there is any; mail is then refused without them.
    `receive_buffer` is the size of the socket's buffer in bytes: with a small one a stalled window comes soon.
    """

    extensions: tuple[str, ...] = ("PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    credentials: tuple[str, str] | None = None
    receive_buffer: int | None = None
