"""What a program does and sees is the same in a sandbox that was booted before it came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sandbox import Bind, Ending, Job, Outcome, run, state
from tests.orchestration.sandbox.conftest import ROOMY
from tests.orchestration.sandbox.warmth import CODE, Warmth, program, until, warmth

SNIPPETS = {
    "names": """
import sys
print(__name__, __file__, __package__, __spec__, __doc__, __builtins__, __cached__)
print(type(__loader__).__name__, __loader__.path, sorted(globals()))
print(sys.argv, sys.orig_argv, sys.path, sys.flags, sys.executable, sys.prefix)
print(sys.modules["__main__"].__dict__ is globals(), "__annotations__" in globals())
""",
    "modules": "import sys; print(sorted(sys.modules)); print(sorted(sys.path_importer_cache))",
    "no trace of the gate": """
import os, site, sys
print([name for name in os.listdir(site.getsitepackages()[0])])
try:
    import sitecustomize
except ImportError as error:
    print(error, error.name)
try:
    import usercustomize
except ImportError as error:
    print(error)
print(sys.exc_info(), hasattr(sys, "last_value"), sys.gettrace(), sys.getprofile())
""",
    "environment": """
import os
print(sorted(os.environ.items()), open("/proc/self/environ").read())
""",
    "command line": "print(open('/proc/self/cmdline').read(), open('/proc/self/comm').read())",
    "descriptors": """
import os
print([(fd, os.readlink(f"/proc/self/fd/{fd}").split(":")[0]) for fd in range(3)])
print(len(os.listdir("/proc/self/fd")))
""",
    "user": "import os; print(os.getuid(), os.getgid(), os.getgroups(), os.getcwd(), os.umask(0))",
    "pids": "import os; print(os.getpid(), os.getppid(), os.getsid(0) == os.getpid())",
    "limits": """
import resource
for name in sorted(dir(resource)):
    if name.startswith("RLIMIT_") and name not in ("RLIMIT_NPROC",):
        print(name, resource.getrlimit(getattr(resource, name)))
""",
    "signals": """
import signal
print([(number, str(signal.getsignal(number))) for number in sorted(signal.valid_signals())])
print(open("/proc/self/status").read().partition("SigPnd")[2].partition("CapInh")[0])
""",
    "privileges": """
print(open("/proc/self/status").read().partition("CapInh")[2].partition("Cpus")[0])
""",
    "files": """
import os
for top in ("/", "/code", "/workspace", "/tmp", "/dev/shm"):
    for name in sorted(os.listdir(top)):
        found = os.lstat(os.path.join(top, name))
        print(top, name, oct(found.st_mode), found.st_uid, found.st_gid)
try:
    open("/code/main.py", "a")
except OSError as error:
    print(error)
""",
    "mounts": """
for line in open("/proc/self/mountinfo"):
    before, _, after = line.partition(" - ")
    place, options = before.split()[4:6]
    if "site-packages" not in place and "dist-packages" not in place:
        print(place, options, after.split()[0])
""",
    "traceback": "def inner():\n    return 1 / 0  # here\n\n\nprint('before')\ninner()\n",
    "chained": "try:\n    {}['a']\nexcept KeyError:\n    raise ValueError('b') from None\n",
    "group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "syntax": "print('never')\nif True\n    pass\n",
    "encoding": "# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n",
    "null byte": "print(1)\n\0\n",
    "empty": "",
    "no newline": "print('x')",
    "unicode": "print('\u00e9\u4e2d\U0001f600')",
    "exit 3": "raise SystemExit(3)",
    "exit text": "raise SystemExit('because')",
    "exit none": "import sys; sys.exit()",
    "exit large": "import sys; sys.exit(300)",
    "hard exit": "import os; print('lost'); os._exit(9)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "abort": "import os; os.abort()",
    "interrupt": "raise KeyboardInterrupt",
    "sigpipe": "import signal; print(signal.getsignal(signal.SIGPIPE))",
    "atexit": """
import atexit, sys
atexit.register(print, "last")
atexit.register(print, "first")
class Loud:
    def __del__(self): sys.stderr.write("gone\\n")
loud = Loud()
print("body")
""",
    "unraisable": """
class Broken:
    def __del__(self): raise ValueError("x")
broken = Broken()
del broken
print("on")
""",
    "standard input": "import sys; print(repr(sys.stdin.read()), input.__name__)",
    "input at the end": "print(input()); print(input())",
    "streams": """
import sys
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream.name, stream.mode, stream.encoding, stream.errors)
    print(stream.isatty(), stream.line_buffering, stream.write_through)
""",
    "threads": """
import threading
found = []
def work(n): found.append((n, threading.current_thread().name))
threads = [threading.Thread(target=work, args=(n,), name=f"t{n}") for n in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(found), threading.main_thread().name, threading.active_count())
def late(): raise RuntimeError("in a thread")
threading.Thread(target=late, name="late").start()
""",
    "a thread that outlives main": """
import threading, time
threading.Thread(target=lambda: (time.sleep(0.1), print("after main"))).start()
""",
    "fork": """
import os
pid = os.fork()
if pid == 0:
    print("child", flush=True); os._exit(4)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "spawn": """
import multiprocessing
def square(n): return n * n, __name__
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(sorted(pool.map(square, range(4))))
""",
    "forked pool": """
import multiprocessing
def square(n): return n * n, __name__
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(sorted(pool.map(square, range(4))))
""",
    "a subprocess": """
import subprocess, sys
print(subprocess.run([sys.executable, "-c", "import sys; print(sys.argv, len(sys.modules) > 5)"],
    capture_output=True, text=True))
""",
    "asyncio": """
import asyncio
async def main():
    await asyncio.sleep(0); return asyncio.current_task().get_name()
print(asyncio.run(main()))
""",
    "pickle of main": """
import pickle
class Point:
    def __eq__(self, other): return type(other) is Point
print(pickle.loads(pickle.dumps(Point())) == Point(), Point.__module__, Point.__qualname__)
""",
    "inspect": """
import inspect, linecache
def here(): return 1  # a comment
print(inspect.getsource(here), linecache.getline(__file__, 2))
""",
    "dataclass and typing": """
from __future__ import annotations
import dataclasses, typing
@dataclasses.dataclass
class A: x: int; y: "B" = None
class B: ...
print(typing.get_type_hints(A), A(1))
x: int = 4
print(__annotations__)
""",
    "loopback": """
import socket
try:
    socket.create_connection(("1.1.1.1", 80), timeout=1)
except OSError as error:
    print(error)
""",
    "warnings": "import warnings; warnings.warn('careful'); print(warnings.filters[:2])",
    "faulthandler": "import faulthandler; print(faulthandler.is_enabled())",
    "recursion": "def f(): f()\nf()\n",
    "doctest": '"""\n>>> 1 + 1\n2\n"""\nimport doctest; print(doctest.testmod())',
    "runpy": """
import runpy
if __name__ == "__main__":
    print(sorted(runpy.run_path("/code/main.py", run_name="x")))
""",
    "collection": "import gc; print(gc.isenabled(), gc.get_threshold(), len(gc.garbage))",
    "nothing is cached": "import os; print(os.path.exists('/code/__pycache__'))",
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warmth]:
    with warmth(tmp_path_factory.mktemp("warm")) as found:
        yield found


def seen(outcome: Outcome) -> dict[str, object]:
    """All that is the caller's business, without addresses of objects."""
    plain = [re.sub(rb"0x[0-9a-f]+", b"0x", text) for text in (outcome.stdout, outcome.stderr)]
    return {
        "ending": outcome.ending,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "stdout": plain[0].decode(errors="replace").splitlines(),
        "stderr": plain[1].decode(errors="replace").splitlines(),
    }


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_program_sees_no_difference(pool: Warmth, name: str) -> None:
    source = SNIPPETS[name]
    content = source.encode("latin-1") if name == "encoding" else source.encode()
    job = replace(program(""), files={CODE: content}, stdin=b"one\ntwo \xff")
    cold = pool.cold(job)
    assert seen(pool.warm(job)) == seen(cold)


LIMITS = {
    "time": (
        replace(ROOMY, wall_seconds=0.5),
        "import time; print('a', flush=True); time.sleep(9)",
    ),
    "memory": (replace(ROOMY, memory_bytes=48 << 20), "x = bytearray(200 << 20); print(len(x))"),
    "more memory": (replace(ROOMY, memory_bytes=512 << 20), "print(len(bytes(300 << 20)))"),
    "output": (replace(ROOMY, output_bytes=1000), "while True: print('x' * 100)"),
    "a large file": (replace(ROOMY, file_bytes=1 << 20), "open('x', 'wb').write(bytes(2 << 20))"),
    "processes": (
        replace(ROOMY, processes=6),
        "import os\ntry:\n  n = 0\n  while n < 50:\n    os.fork() or __import__('time').sleep(9)\n"
        "    n += 1\nexcept OSError as error: print(n, error)",
    ),
    "more processes": (
        replace(ROOMY, processes=100),
        "import os\nfor n in range(90): os.fork() or (__import__('time').sleep(1), os._exit(0))\n"
        "print('all')",
    ),
    "the disk": (ROOMY, "open('/workspace/x', 'wb').write(bytes(12 << 20)); print('fits')"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_come_with_the_call(pool: Warmth, name: str) -> None:
    limits, code = LIMITS[name]
    job = program(code, limits=limits)
    cold, warm = pool.cold(job), pool.warm(job)
    assert seen(warm)["ending"] == seen(cold)["ending"]
    assert warm.exit_code == cold.exit_code
    if name != "output":
        assert (warm.stdout, warm.truncated) == (cold.stdout, cold.truncated)


def test_the_share_of_the_processors_comes_with_the_call(pool: Warmth) -> None:
    if pool.cold(program("pass")).enforcement.cpu == "rlimit":
        pytest.skip("without a cgroup nothing holds a share")
    spin = "import time\nend = time.time() + 1\nwhile time.time() < end: pass"
    slow = pool.warm(program(spin, limits=replace(ROOMY, cpus=0.2)))
    assert slow.cpu_seconds < 0.5, slow


def test_the_clock_starts_with_the_call(pool: Warmth) -> None:
    pool.ready(program("pass"))
    outcome = pool.warm(program("print(1)", limits=replace(ROOMY, wall_seconds=5)))
    assert outcome.wall_seconds < 4
    assert outcome.cpu_seconds < 2


def test_other_shapes_of_command_are_the_same_too(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.mkdir()
    (tool / "run.py").write_text(
        "import json, sys; print(json.dumps([sys.argv, sys.stdin.read()]))"
    )
    shapes = [
        Job(("python3", "-c", "import sys; print(sys.argv, sys.path)", "a", "-S")),
        Job(("python3", "-I", "-c", "import sys; print(sys.argv, sys.path, sys.flags)")),
        Job(("python3", "/tool/run.py", "one", "two"), binds=(Bind(tool, "/tool"),), stdin=b"{}"),
        Job(("python3", "-m", "json.tool"), stdin=b'{"a": 1}'),
        Job(("python", "-u", "-c", "import os; print(os.environ)"), env={"COLOUR": "red"}),
    ]
    for shape in shapes:
        with warmth(tmp_path / "home") as pool:
            job = replace(shape, repeats=True, limits=ROOMY)
            assert seen(pool.warm(job)) == seen(pool.cold(job)), job.argv


@pytest.mark.parametrize(
    "argv", [("sh", "-c", "echo hello"), ("python3", "-S", "-c", "print(1)"), ("python3",)]
)
def test_what_no_gate_can_hold_is_never_warm(tmp_path: Path, argv: tuple[str, ...]) -> None:
    with warmth(tmp_path) as pool:
        job = Job(argv, repeats=True, limits=ROOMY, stdin=b"print(1)")
        assert run(job, config=pool.config).ending is Ending.succeeded
        assert state(pool.config).profiles == {}


def test_packages_are_there_and_customise_python_as_ever(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "greeting.py").write_text("WORD = 'hello'")
    (layer / "sitecustomize.py").write_text("print('customised')")
    more = {"env": {"PYTHONPATH": "/packages"}, "binds": (Bind(layer, "/packages"),)}
    job = program("import greeting, sys; print(greeting.WORD, sys.path, *sys.modules)", **more)
    with warmth(tmp_path / "home") as pool:
        assert seen(pool.warm(job)) == seen(pool.cold(job))


def test_packages_that_leave_no_place_for_the_gate_run_cold(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    for name in ("sitecustomize", "usercustomize"):
        (layer / f"{name}.py").write_text(f"print({name!r})")
    more = {"env": {"PYTHONPATH": "/packages"}, "binds": (Bind(layer, "/packages"),)}
    job = program("print('body')", **more)
    with warmth(tmp_path / "home") as pool:
        outcomes = [run(job, config=pool.config) for _ in range(2)]
        assert until(lambda: state(pool.config).errors)
        outcomes.append(run(job, config=pool.config))
    assert {each.stdout for each in outcomes} == {b"sitecustomize\nusercustomize\nbody\n"}
    assert {each.enforcement.start for each in outcomes} == {"cold"}
