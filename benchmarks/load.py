"""A load generator: one thread, one epoll, requests made once and sent again and again.

It has to share two cores with what it measures, so it does nothing but count: a request costs it
20 to 40 µs of processor time, which `measure` reports beside the figures (`client_us`).
"""

import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"
WARMING = 1.0


def request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The bytes of one POST of a JSON body."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {HOST}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class _Line:
    """One kept connection."""

    socket: socket.socket
    sent_at: float = 0.0
    got: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(data)

    def answer(self) -> bytes | None:
        """The whole answer, once it is there."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise RuntimeError(f"The server hung up: {bytes(self.got[:300])!r}")
        self.got += chunk
        end = self.got.find(b"\r\n\r\n")
        if end < 0:
            return None
        if not _is_whole(bytes(self.got[:end]).lower(), self.got, end + 4):
            return None
        found = bytes(self.got)
        self.got.clear()
        return found


def _is_whole(head: bytes, got: bytearray, start: int) -> bool:
    at = head.find(b"content-length:")
    if at >= 0:
        return len(got) - start >= int(head[at + 15 :].split(b"\r\n", 1)[0])
    if b"chunked" in head:
        return got.endswith(b"0\r\n\r\n")
    raise RuntimeError(f"An answer without a length: {head[:300]!r}")


def measure(
    port: int, data: bytes, *, connections: int, seconds: float, expected: bytes
) -> dict[str, float]:
    """Calls per second and percentiles over so many kept connections, after a second of warming.

    Each connection sends its next request when it has its answer. Raises RuntimeError for an answer
    that isn't a 200 with `expected` in it. Times are in milliseconds, `client_us` in microseconds.
    """
    poll = select.epoll()
    lines = {}
    for _ in range(connections):
        made = socket.create_connection((HOST, port), 30)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(made, select.EPOLLIN)
        lines[made.fileno()] = _Line(made)
    try:
        taken, spent = _driven(poll, lines, data, seconds, expected)
    finally:
        poll.close()
        for line in lines.values():
            line.socket.close()
    if not taken:
        raise RuntimeError("No call succeeded.")
    return _figures(sorted(taken), seconds) | {"client_us": round(spent / len(taken) * 1e6, 1)}


def _driven(
    poll: select.epoll, lines: Mapping[int, _Line], data: bytes, seconds: float, expected: bytes
) -> tuple[list[float], float]:
    """The time of each call that was answered within the seconds, and our own processor time."""
    taken: list[float] = []
    begin = time.perf_counter() + WARMING
    until, spent = begin + seconds, 0.0
    for line in lines.values():
        line.send(data)
    while (now := time.perf_counter()) < until:
        if not spent and now >= begin:
            spent = time.process_time()
        for number, _ in poll.poll(1.0):
            line = lines[number]
            answer = line.answer()
            if answer is None:
                continue
            now = time.perf_counter()
            if not answer.startswith(b"HTTP/1.1 200") or expected not in answer:
                raise RuntimeError(f"Not what was expected: {answer[:600]!r}")
            if now >= begin:
                taken.append(now - line.sent_at)
            line.send(data)
    return taken, time.process_time() - spent


def _figures(taken: list[float], seconds: float) -> dict[str, float]:
    def at(part: float) -> float:
        return round(taken[min(int(len(taken) * part), len(taken) - 1)] * 1000, 2)

    return {
        "calls_per_s": round(len(taken) / seconds, 1),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
    }
