"""The tables of system calls agree with the kernel's own headers."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from orchestration.sandbox import seccomp
from orchestration.sandbox.syscalls import AARCH64, X86_64

HEADERS = [
    ("x86_64", X86_64, Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")),
    ("aarch64", AARCH64, Path("/usr/include/asm-generic/unistd.h")),
]


@pytest.mark.parametrize(("machine", "table", "header"), HEADERS)
def test_numbers_are_those_of_the_kernels_headers(
    machine: str, table: dict[str, int], header: Path
) -> None:
    if not header.exists():
        pytest.skip(f"{header} isn't there; apt-get install linux-libc-dev")
    text = header.read_text()
    official = {
        name: int(number)
        for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)
    }
    known = {name: number for name, number in table.items() if name in official}
    assert known == {name: official[name] for name in known}
    # Those that are newer than Debian's headers.
    assert len(table) - len(known) < 12, sorted(set(table) - set(known))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_lands_inside_the_program(machine: str) -> None:
    code = seccomp.program(machine)
    steps = list(struct.iter_unpack("=HBBI", code))
    assert len(steps) < 4096
    for index, (operation, if_true, if_false, _) in enumerate(steps):
        if operation & 0x07 == 0x05:
            assert index + 1 + max(if_true, if_false) < len(steps)
    assert steps[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)


def test_an_architecture_without_a_table_has_no_filter() -> None:
    assert not seccomp.supported("riscv64")
