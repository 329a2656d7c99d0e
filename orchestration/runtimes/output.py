"""What a child process prints: bounded in its file, and its end kept for the error message."""

import os
from pathlib import Path

MOST_BYTES = 1024 * 1024
TAIL_BYTES = 2_000
CUT = b"\n[the rest was left out]\n"


class Output:
    """A log file of at most 1 MiB; what comes after that is read and thrown away."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=0)
        self._written = 0
        self._tail = b""

    def take(self, descriptor: int) -> bool:
        """Read what there is. Returns False at the end of the stream."""
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        room = MOST_BYTES - self._written
        if room > 0:
            self._file.write(data[:room] + (CUT if len(data) > room else b""))
            self._written += len(data)
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        return True

    @property
    def tail(self) -> str:
        return self._tail.decode(errors="replace").strip()

    def close(self) -> None:
        self._file.close()
