"""What would undo the sandbox from within is refused."""

from __future__ import annotations

import errno
import os

import pytest

from orchestration.sandbox import Ending
from orchestration.sandbox.seccomp import ARCHITECTURES
from tests.orchestration.sandbox.conftest import Sandbox

CALLS = ARCHITECTURES[os.uname().machine].calls
CALL = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = [int(text, 0) for text in sys.argv[1:]]
answer = libc.syscall(*[ctypes.c_long(number) for number in numbers])
print(answer, ctypes.get_errno())
"""


def errno_of(sandbox: Sandbox, name: str, *arguments: int) -> int:
    outcome = sandbox.run("python3", "-I", "-c", CALL, str(CALLS[name]), *map(str, arguments))
    assert outcome.ending is Ending.succeeded, (name, outcome)
    answer, number = map(int, outcome.stdout.split())
    assert answer == -1, name
    return number


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ptrace", (0, 0, 0, 0)),
        ("process_vm_readv", (1, 0, 0, 0, 0, 0)),
        ("mount", (0, 0, 0, 0, 0)),
        ("umount2", (0, 2)),
        ("pivot_root", (0, 0)),
        ("chroot", (0,)),
        ("fsopen", (0, 0)),
        ("open_tree", (-100, 0, 1)),
        ("move_mount", (0, 0, 0, 0, 0)),
        ("unshare", (0x10000000,)),
        ("unshare", (0x00020000,)),
        ("setns", (0, 0)),
        ("clone", (0x10000011, 0, 0, 0, 0)),
        ("keyctl", (0, -3)),
        ("add_key", (0, 0, 0, 0, 0)),
        ("bpf", (0, 0, 0)),
        ("perf_event_open", (0, 0, -1, -1, 0)),
        ("userfaultfd", (0,)),
        ("kexec_load", (0, 0, 0, 0)),
        ("init_module", (0, 0, 0)),
        ("finit_module", (0, 0, 0)),
        ("reboot", (0,)),
        ("swapon", (0, 0)),
        ("open_by_handle_at", (0, 0, 0)),
        ("name_to_handle_at", (0, 0, 0, 0, 0)),
        ("personality", (0x0400000,)),
        ("quotactl", (0, 0, 0, 0)),
        ("acct", (0,)),
        ("settimeofday", (0, 0)),
        ("sethostname", (0, 0)),
        ("ioctl", (0, 0x5412, 0)),
        ("ioctl", (0, 0x100005412, 0)),
        ("ioctl", (0, 0x541C, 0)),
    ],
)
def test_a_call_that_could_undo_the_sandbox_is_not_permitted(
    own: Sandbox, name: str, arguments: tuple[int, ...]
) -> None:
    assert errno_of(own, name, *arguments) == errno.EPERM


@pytest.mark.parametrize("name", ["clone3", "io_uring_setup", "openat2"])
def test_a_call_that_cannot_be_judged_is_not_implemented(own: Sandbox, name: str) -> None:
    assert errno_of(own, name, 0, 0, 0) == errno.ENOSYS


def test_a_call_newer_than_the_filter_is_not_implemented(own: Sandbox) -> None:
    outcome = own.run("python3", "-I", "-c", CALL, "600")
    assert outcome.stdout == b"-1 38\n"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x32 is a kind of x86_64 only")
def test_a_call_by_the_x32_interface_is_deadly(own: Sandbox) -> None:
    outcome = own.run("python3", "-I", "-c", CALL, str(0x40000000 | 39))
    assert (outcome.ending, outcome.signal) == (Ending.killed, 31)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="i386 is a kind of x86_64 only")
def test_a_call_by_the_32_bit_interface_is_deadly(own: Sandbox) -> None:
    # mov eax, 20 (getpid on i386); int 0x80; ret
    code = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000cd80c3"))
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())
"""
    outcome = own.python(code)
    assert (outcome.ending, outcome.signal) == (Ending.killed, 31)


@pytest.mark.parametrize("mode", ["4755", "2755"])
def test_no_set_id_file_can_be_made(sandbox: Sandbox, mode: str) -> None:
    code = f"""
import os
for make in (lambda: os.chmod("/tmp", 0o{mode}), lambda: os.open("/tmp/x", os.O_CREAT, 0o{mode}),
             lambda: os.mknod("/tmp/y", 0o10{mode})):
    try:
        make()
        print("made")
    except PermissionError:
        pass
"""
    outcome = sandbox.python(code)
    assert (outcome.ending, outcome.stdout) == (Ending.succeeded, b"")


def test_a_job_has_no_capability_and_cannot_gain_one(sandbox: Sandbox) -> None:
    lines = sandbox.run("cat", "/proc/self/status").stdout.decode().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    sets = [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
    assert sets == ["0" * 16] * 5
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Groups"].split() in ([], ["1000"], ["65534"])


def test_a_job_runs_as_a_user_of_its_own(own: Sandbox) -> None:
    outcome = own.run("true")
    assert outcome.enforcement.seccomp
    if os.geteuid() == 0:
        assert outcome.enforcement.uid >= 0x70000000
    else:
        assert outcome.enforcement.uid == os.geteuid()


def test_bubblewrap_cannot_be_nested(sandbox: Sandbox) -> None:
    outcome = sandbox.run("unshare", "--user", "--map-root-user", "true")
    assert outcome.ending is Ending.failed


def test_a_set_uid_program_of_the_host_gives_nothing(sandbox: Sandbox) -> None:
    outcome = sandbox.run("su", "-c", "id")
    assert outcome.ending is Ending.failed


@pytest.mark.parametrize(
    "path", ["/proc/kcore", "/proc/kmsg", "/proc/sys/kernel/core_pattern", "/dev/mem", "/dev/vda"]
)
def test_no_device_or_kernel_file_can_be_opened_for_writing(sandbox: Sandbox, path: str) -> None:
    outcome = sandbox.run("python3", "-I", "-c", "import sys; open(sys.argv[1], 'r+b')", path)
    assert outcome.ending is Ending.failed
