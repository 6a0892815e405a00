"""
A nameserver on 127.0.0.1, by UDP and TCP, that says what a test has told it and that nothing else exists.

    with Nameserver({("campaign.example", "MX"): ["10 mail.campaign.example."]}) as server:
        ...                                  # 127.0.0.1, server.port

A name in `failing`, or a name and a kind, is answered with SERVFAIL; one in `silent` not at all. It keeps what it was asked.
"""

import socketserver
import threading
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = Mapping[tuple[str, str], Sequence[str]]
_LARGEST = 512  # bytes of an answer by UDP, for who asks without EDNS


def txt(text: str) -> str:
    """A text as a TXT record has it, in strings of at most 255."""
    return " ".join('"' + text[start : start + 255] + '"' for start in range(0, len(text), 255))


class Nameserver:
    """Runs in two threads until it is left."""

    def __init__(self, records: Records, failing: Collection[str | tuple[str, str]] = (), silent: Collection[str] = ()) -> None:
        self.records = dict(records)
        self.failing, self.silent = failing, silent
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                if answer := outer._answer(data):
                    wire = answer.to_wire()
                    if len(wire) > _LARGEST:
                        answer.answer.clear()
                        answer.flags |= dns.flags.TC
                        wire = answer.to_wire()
                    sock.sendto(wire, self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                length = int.from_bytes(self.rfile.read(2), "big")
                if answer := outer._answer(self.rfile.read(length)):
                    wire = answer.to_wire()
                    self.wfile.write(len(wire).to_bytes(2, "big") + wire)

        self._servers: list[socketserver.BaseServer] = []
        self._tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
        self.port: int = self._tcp.server_address[1]
        self._servers = [self._tcp, socketserver.ThreadingUDPServer(("127.0.0.1", self.port), Udp)]

    def __enter__(self) -> "Nameserver":
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _answer(self, wire: bytes) -> Any:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self.failing or (name, kind) in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, found))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
