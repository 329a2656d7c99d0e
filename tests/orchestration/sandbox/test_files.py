"""What a job can and can't read or write of the host."""

from __future__ import annotations

import os
from pathlib import Path

from orchestration.sandbox import Ending, SandboxConfig
from tests.orchestration.sandbox.conftest import Sandbox

ATTEMPT = """
import sys
for path in sys.stdin.read().split():
    try:
        print(path, open(path, "rb").read(4096))
    except OSError:
        print(path, "refused")
"""


def attempts(sandbox: Sandbox, *paths: str | Path) -> list[str]:
    outcome = sandbox.python(ATTEMPT, stdin="\n".join(map(str, paths)).encode())
    assert outcome.ending is Ending.succeeded, outcome
    return outcome.stdout.decode().splitlines()


def test_a_job_cannot_read_the_platforms_files(sandbox: Sandbox, config: SandboxConfig) -> None:
    secret = config.home.parent / "db.sqlite3"
    secret.write_text("alice's key")
    assert attempts(sandbox, secret) == [f"{secret} refused"]


def test_a_job_cannot_read_another_users_world_readable_files(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    note.write_text("bob's note")
    note.chmod(0o644)
    assert attempts(sandbox, note, __file__) == [f"{note} refused", f"{__file__} refused"]


def test_the_hosts_etc_is_not_there(sandbox: Sandbox) -> None:
    refused = [
        "/etc/shadow",
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/fstab",
        "/etc/hosts.allow",
    ]
    assert attempts(sandbox, *refused) == [f"{path} refused" for path in refused]
    outcome = sandbox.run("cat", "/etc/passwd")
    assert outcome.stdout.decode().splitlines()[0] == "root:x:0:0::/:/bin/sh"


def test_no_directory_of_the_host_is_listed(sandbox: Sandbox) -> None:
    code = "import os; print(os.listdir('/'), [os.listdir(p) for p in ('/tmp', '/workspace')])"
    names = sandbox.python(code).stdout.decode()
    assert not {"home", "var", "work", "srv", "mnt", "sys", "run", "boot"} & set(names.split("'"))
    assert names.endswith("[[], []]\n")


ENVIRONMENTS = """
import glob
for path in glob.glob("/proc/*/environ"):
    print(path, open(path, "rb").read())
"""


def test_a_job_cannot_read_the_environment_of_the_platform(sandbox: Sandbox) -> None:
    os.environ["GATEHOUSE_TEST_SECRET"] = "alice's environment"
    try:
        outcome = sandbox.python(ENVIRONMENTS)
    finally:
        del os.environ["GATEHOUSE_TEST_SECRET"]
    assert outcome.ending is Ending.succeeded
    assert b"GATEHOUSE" not in outcome.stdout
    assert b"/proc/1/environ b''" in outcome.stdout


def test_a_job_sees_its_own_processes_alone(sandbox: Sandbox) -> None:
    code = "import os; print([p for p in os.listdir('/proc') if p.isdigit()])"
    assert sandbox.python(code).stdout in (b"['1', '2']\n", b"['1', '2', '3']\n")


def test_the_command_line_of_bubblewrap_tells_nothing(sandbox: Sandbox) -> None:
    line = sandbox.run("cat", "/proc/1/cmdline", env={"TOKEN": "s3cret"}).stdout
    assert b"s3cret" not in line
    assert b"/usr" not in line


def test_a_job_gets_the_environment_of_the_job_alone(sandbox: Sandbox) -> None:
    outcome = sandbox.run("env", env={"COLOUR": "green", "PATH": "/usr/bin"})
    assert dict(line.split("=", 1) for line in outcome.stdout.decode().splitlines()) == {
        "COLOUR": "green",
        "PATH": "/usr/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PWD": "/workspace",
    }


WRITES = """
import os
for path in ("/x", "/usr/x", "/etc/x", "/dev/x", "/opt/x", "/opt/bin/x",
             "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern",
             "/proc/sysrq-trigger", "/etc/ld.so.cache", "/bin/x"):
    try:
        open(path, "w").write("x")
        print("wrote", path)
    except OSError:
        pass
for path in ("/tmp/x", "/workspace/x", "/dev/shm/x"):
    open(path, "w").write("x")
"""


def test_a_job_writes_only_to_its_private_places(sandbox: Sandbox) -> None:
    outcome = sandbox.python(WRITES)
    assert (outcome.ending, outcome.stdout) == (Ending.succeeded, b"")


def test_nothing_is_left_for_the_next_job(sandbox: Sandbox) -> None:
    sandbox.run("sh", "-c", "echo mine > /tmp/x; echo mine > /workspace/x; echo mine > /dev/shm/x")
    assert sandbox.run("ls", "/tmp", "/workspace", "/dev/shm").stdout.count(b"x") == 0


def test_links_lead_nowhere_outside(sandbox: Sandbox, config: SandboxConfig) -> None:
    secret = config.home.parent / "secret"
    secret.write_text("alice's key")
    code = f"""
import os
os.symlink({str(secret)!r}, "/tmp/link")
try:
    print(open("/tmp/link").read())
except OSError as error:
    print(type(error).__name__)
for source in ("/etc/passwd", "/usr/bin/env"):
    try:
        os.link(source, "/tmp/hard")
        print("linked")
    except OSError as error:
        print(type(error).__name__)
"""
    assert sandbox.python(code).stdout.split() == [b"FileNotFoundError", b"OSError", b"OSError"]
