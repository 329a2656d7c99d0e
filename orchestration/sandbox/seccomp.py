"""The system call filter, assembled as classic BPF.

The instruction set and `struct seccomp_data` are those of the kernel's seccomp_filter.rst. A
library would need libseccomp.so on every machine; without it the filter is forty lines of data.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from orchestration.sandbox.syscalls import AARCH64, NEWEST, X86_64

LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
X32 = 0x3FFFFFFF

# user, mount, pid, net, ipc, uts and cgroup (linux/sched.h); CLONE_NEWTIME isn't for clone.
NEW_NAMESPACES = 0x7E020000
SET_ID_BITS = 0o6000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10

NOT_PERMITTED = [
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "pidfd_getfd",
    "kcmp",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "statmount",
    "listmount",
    "unshare",
    "setns",
    "open_by_handle_at",
    "name_to_handle_at",
    "add_key",
    "request_key",
    "keyctl",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "memfd_secret",
    "fanotify_init",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "quotactl",
    "quotactl_fd",
    "acct",
    "personality",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "syslog",
    "vhangup",
    "iopl",
    "ioperm",
    "modify_ldt",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "nfsservctl",
    "lookup_dcookie",
    "mbind",
    "set_mempolicy",
    "set_mempolicy_home_node",
    "migrate_pages",
    "move_pages",
    "lsm_set_self_attr",
]
# glibc falls back from clone3 to clone and from openat2 to openat, whose arguments can be seen.
NOT_IMPLEMENTED = ["clone3", "openat2", "io_uring_setup", "io_uring_enter", "io_uring_register"]


@dataclass(frozen=True)
class Architecture:
    audit: int
    calls: dict[str, int]


ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, X86_64),
    "aarch64": Architecture(0xC00000B7, AARCH64),
}


@dataclass(frozen=True)
class Condition:
    """Refuse `call` when its argument has one of `bits`, is `one_of`, or is `none_of` these values.

    Only the argument's low 32 bits are compared: that is all the kernel reads of them too.
    """

    call: str
    argument: int
    error: int
    bits: int = 0
    one_of: tuple[int, ...] = ()
    none_of: tuple[int, ...] = ()


FAMILIES = (AF_UNIX, AF_INET, AF_INET6)
CONDITIONS = (
    Condition("clone", 0, errno.EPERM, bits=NEW_NAMESPACES),
    Condition("ioctl", 1, errno.EPERM, one_of=(TIOCSTI, TIOCLINUX)),
    # Loopback of the empty network namespace stays usable; netlink, packet and vsock don't.
    Condition("socket", 0, errno.EAFNOSUPPORT, none_of=FAMILIES),
    Condition("socketpair", 0, errno.EAFNOSUPPORT, none_of=FAMILIES),
    # A set-uid file made in a writable bind would belong to the platform's user outside.
    Condition("chmod", 1, errno.EPERM, bits=SET_ID_BITS),
    Condition("fchmod", 1, errno.EPERM, bits=SET_ID_BITS),
    Condition("fchmodat", 2, errno.EPERM, bits=SET_ID_BITS),
    Condition("fchmodat2", 2, errno.EPERM, bits=SET_ID_BITS),
    Condition("creat", 1, errno.EPERM, bits=SET_ID_BITS),
    Condition("open", 2, errno.EPERM, bits=SET_ID_BITS),
    Condition("openat", 3, errno.EPERM, bits=SET_ID_BITS),
    Condition("mknod", 1, errno.EPERM, bits=SET_ID_BITS),
    Condition("mknodat", 2, errno.EPERM, bits=SET_ID_BITS),
)


def supported(machine: str | None = None) -> bool:
    """Whether there is a filter for this machine's architecture."""
    return (machine or os.uname().machine) in ARCHITECTURES


@cache
def program(machine: str | None = None) -> bytes:
    """The filter for a machine, as bubblewrap's `--seccomp` reads it (an array of sock_filter).

    Raises KeyError for an architecture without a table.
    """
    architecture = ARCHITECTURES[machine or os.uname().machine]
    return b"".join(_instructions(architecture))


def _instructions(architecture: Architecture) -> Iterator[bytes]:
    yield _step(LOAD, ARCHITECTURE)
    yield _step(JUMP_EQUAL, architecture.audit, 1, 0)
    yield _step(RETURN, KILL)
    yield _step(LOAD, NUMBER)
    if architecture.calls is X86_64:
        yield _step(JUMP_GREATER, X32, 0, 1)
        yield _step(RETURN, KILL)
    yield _step(JUMP_GREATER, NEWEST, 0, 1)
    yield _step(RETURN, ERRNO | errno.ENOSYS)
    for names, error in ((NOT_PERMITTED, errno.EPERM), (NOT_IMPLEMENTED, errno.ENOSYS)):
        for name in names:
            if name in architecture.calls:
                yield _step(JUMP_EQUAL, architecture.calls[name], 0, 1)
                yield _step(RETURN, ERRNO | error)
    for condition in CONDITIONS:
        if condition.call in architecture.calls:
            yield from _check(condition, architecture.calls[condition.call])
    yield _step(RETURN, ALLOW)


def _check(condition: Condition, number: int) -> Iterator[bytes]:
    refuse = _step(RETURN, ERRNO | condition.error)
    body = [_step(LOAD, ARGUMENTS + 8 * condition.argument)]
    if condition.bits:
        body += [_step(JUMP_ANY_BIT, condition.bits, 0, 1), refuse]
    for value in condition.one_of:
        body += [_step(JUMP_EQUAL, value, 0, 1), refuse]
    for left, value in enumerate(reversed(condition.none_of)):
        # Over the comparisons that are left, and over the refusal.
        body.insert(1, _step(JUMP_EQUAL, value, left + 1, 0))
    if condition.none_of:
        body.append(refuse)
    body.append(_step(LOAD, NUMBER))
    yield _step(JUMP_EQUAL, number, 0, len(body))
    yield from body


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
