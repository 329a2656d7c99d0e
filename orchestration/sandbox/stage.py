"""The stage: where the slot's user reaches the sources of a job, wherever they lie.

Part of the launcher: imports only what starts fast.
"""

from __future__ import annotations

import ctypes
import os

from orchestration.sandbox import system
from orchestration.sandbox.system import check, libc, mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]


class Stage:
    """A private mount namespace in which the slot's user reaches the sources, wherever they lie."""

    def __init__(self, at: str, sources: list[Spec], uid: int) -> None:
        self.at, self.uid = at, uid
        self.given: list[tuple[str, int, int]] = []
        check(libc.unshare(system.CLONE_NEWNS), "unshare the mount namespace")
        mount("none", "/", None, system.MS_REC | system.MS_PRIVATE)
        # Opened in this namespace, and first: the stage is about to cover what lies below it.
        opened = [
            (os.open(source["path"], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC), source)
            for source in sources
        ]
        mount("tmpfs", at, "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=0711,size=4m")
        for fd, source in opened:
            self.place(fd, source)
            os.close(fd)
        for target, owner, _ in self.given:
            give(target, owner, uid, uid)

    def place(self, fd: int, source: Spec) -> None:
        target = f"{self.at}/{source['name']}"
        found = os.fstat(fd)
        if found.st_mode & 0o170000 == 0o120000:
            raise OSError(f"{source['path']} became a symbolic link")
        if found.st_mode & 0o170000 == 0o040000:
            os.makedirs(target, mode=0o711)
        else:
            os.makedirs(os.path.dirname(target), mode=0o711, exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        if source["mapped"]:
            try:
                self.bind_mapped(fd, target, found, source["writable"])
                return
            except OSError:
                # Before Linux 5.12, or a file system without mapped mounts (overlayfs, FUSE).
                if source["writable"]:
                    self.given.append((target, found.st_uid, found.st_gid))
        mount(f"/proc/self/fd/{fd}", target, None, system.MS_BIND)

    def bind_mapped(self, fd: int, target: str, found: os.stat_result, writable: bool) -> None:
        """Binds so that the owner's files are the slot user's, and what that writes the owner's."""
        namespace = user_namespace(found.st_uid, found.st_gid, self.uid)
        try:
            flags = system.OPEN_TREE_CLONE | system.AT_EMPTY_PATH | os.O_CLOEXEC
            tree = check(libc.syscall(system.SYS_OPEN_TREE, fd, b"", flags), "open_tree")
            wanted = system.MOUNT_ATTR_IDMAP | system.MOUNT_ATTR_NOSUID | system.MOUNT_ATTR_NODEV
            if not writable:
                wanted |= system.MOUNT_ATTR_RDONLY
            attributes = system.Attributes(wanted, 0, 0, namespace)
            size = ctypes.c_size_t(ctypes.sizeof(attributes))
            pointer = ctypes.byref(attributes)
            check(
                libc.syscall(
                    system.SYS_MOUNT_SETATTR, tree, b"", system.AT_EMPTY_PATH, pointer, size
                ),
                "mount_setattr",
            )
            place = target.encode()
            check(
                libc.syscall(
                    system.SYS_MOVE_MOUNT,
                    tree,
                    b"",
                    system.AT_FDCWD,
                    place,
                    system.MOVE_MOUNT_F_EMPTY_PATH,
                ),
                "move_mount",
            )
            os.close(tree)
        finally:
            os.close(namespace)

    def take_back(self) -> None:
        for target, owner, group in self.given:
            give(target, self.uid, owner, group)


def user_namespace(owner: int, group: int, uid: int) -> int:
    """A user namespace that maps `owner` to `uid`, held by its file descriptor alone."""
    ready_read, ready_write = os.pipe()
    done_read, done_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done_write)
        os.write(ready_write, b"." if libc.unshare(system.CLONE_NEWUSER) == 0 else b"!")
        os.read(done_read, 1)
        os._exit(0)
    try:
        if os.read(ready_read, 1) != b".":
            raise OSError("unshare the user namespace")
        for kind, inside in (("uid", owner), ("gid", group)):
            with open(f"/proc/{child}/{kind}_map", "w") as file:
                file.write(f"{inside} {uid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for fd in (ready_read, ready_write, done_read, done_write):
            os.close(fd)
        os.waitpid(child, 0)


def give(top: str, old: int, new: int, group: int) -> None:
    """Hands every file of `old` at or below `top` to `new`, following no link."""
    if not os.path.isdir(top):
        os.chown(top, new, group)
    for folder, names, files, fd in os.fwalk(top, follow_symlinks=False):
        del folder
        for name in (*names, *files, "."):
            if os.stat(name, dir_fd=fd, follow_symlinks=False).st_uid == old:
                os.chown(name, new, group, dir_fd=fd, follow_symlinks=False)
