"""Nothing of a call is there in the next one, nor in that of another team."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.sandbox import Bind, Ending, run
from orchestration.sandbox.pool import POOL
from tests.orchestration.sandbox.conftest import left_cgroups
from tests.orchestration.sandbox.test_lifetime import marker
from tests.orchestration.sandbox.test_processes import alive
from tests.orchestration.sandbox.warmth import Warmth, program, until, warmth

LEAVE = """
import builtins, ctypes, json, mmap, os, socket, subprocess, sys, threading
word = {word!r}
for folder in ("/workspace", "/tmp", "/dev/shm"):
    open(folder + "/left", "w").write(word)
    os.makedirs(folder + "/deep/er", exist_ok=True)
os.environ["LEFT"] = word
os.putenv("LEFT", word)
builtins.left = json.left = word
sys.modules["left"] = json
sys.path.insert(0, "/workspace")
held = mmap.mmap(-1, 1 << 20); held.write(word.encode() * 1000)
kept = [os.open("/workspace/left", os.O_RDONLY) for _ in range(20)]
libc = ctypes.CDLL(None, use_errno=True)
made = [libc.shmget(0x5ca1ab1e, 4096, 0o1666), libc.semget(0x5ca1ab1e, 1, 0o1666)]
made += [libc.msgget(0x5ca1ab1e, 0o1666)]
queue = libc.mq_open(b"/left", os.O_CREAT | os.O_RDWR, 0o666, None)
one = socket.socket(socket.AF_UNIX); one.bind("\\0left"); one.listen()
two = socket.socket(); two.bind(("127.0.0.1", 4242)); two.listen()
subprocess.Popen(["sleep", word], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    threading.Event().wait()
print("left", min(made) >= 0)
"""
LOOK = """
import builtins, ctypes, json, os, socket, sys
print(sorted(os.listdir("/workspace") + os.listdir("/tmp") + os.listdir("/dev/shm")))
print(os.environ.get("LEFT"), hasattr(builtins, "left"), hasattr(json, "left"))
print("left" in sys.modules, "/workspace" in sys.path)
print(len(os.listdir("/proc/self/fd")), sorted(filter(str.isdigit, os.listdir("/proc"))))
libc = ctypes.CDLL(None, use_errno=True)
print(libc.shmget(0x5ca1ab1e, 4096, 0), libc.semget(0x5ca1ab1e, 1, 0), libc.msgget(0x5ca1ab1e, 0))
print(libc.mq_open(b"/left", os.O_RDWR))
for family, address in ((socket.AF_UNIX, "\\0left"), (socket.AF_INET, ("127.0.0.1", 4242))):
    try:
        socket.socket(family).connect(address)
        print("connected")
    except OSError as error:
        print(error.strerror)
print(open("/proc/self/cgroup").read().count("gatehouse"))
print(os.getuid(), os.getpid())
"""


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Warmth]:
    with warmth(tmp_path / "home", max_idle=1) as found:
        yield found


def test_nothing_leaks_from_a_call_to_the_next(pool: Warmth) -> None:
    untouched = pool.warm(program(LOOK)).stdout
    word = marker()
    left = pool.warm(program(LEAVE.format(word=word)), party="search")
    assert left.stdout == b"left True\n", left
    assert pool.warm(program(LOOK), party="search").stdout == untouched
    assert pool.warm(program(LOOK), party="billing").stdout == untouched
    assert b"Connection refused" in untouched
    assert not alive(word)


def test_memory_of_a_call_is_not_in_the_next(pool: Warmth) -> None:
    secret = b"Zm9yIG5vYm9keSBlbHNl"
    code = f"x = [({secret!r} + bytes([n % 256])) * 1000 for n in range(1000)]; print(len(x))"
    assert pool.warm(program(code)).stdout == b"1000\n"
    search = f"""
import re
found = 0
for line in open("/proc/self/maps"):
    low, high = (int(part, 16) for part in line.split()[0].split("-"))
    if "r" not in line.split()[1] or "[v" in line: continue
    with open("/proc/self/mem", "rb", 0) as memory:
        memory.seek(low)
        try: found += memory.read(high - low).count({secret[::-1]!r}[::-1])
        except (OSError, ValueError, OverflowError): pass
print(found)
"""
    hits = int(pool.warm(program(search)).stdout)
    assert int(pool.cold(program(search)).stdout) == hits == int(pool.warm(program(search)).stdout)


def test_no_sandbox_serves_two_calls(pool: Warmth) -> None:
    # Each interpreter has a secret of its own for hashes, and each sandbox its namespaces.
    code = "import os; print(hash('a'), os.stat('/workspace').st_dev, os.listdir('/workspace'))"
    code += "; open('/workspace/mine', 'w')"
    outcomes = [pool.warm(program(code)) for _ in range(6)]
    assert len({outcome.stdout.split()[0] for outcome in outcomes}) == 6
    assert all(outcome.stdout.endswith(b"[]\n") for outcome in outcomes)


def test_code_and_input_of_a_call_are_gone_from_the_disk(pool: Warmth) -> None:
    word = marker()
    pool.warm(program(f"print({word!r})", stdin=b"in" + word.encode()))
    pool.ready(program("pass"))
    assert until(lambda: not POOL._leaving)
    found = [
        path
        for path in pool.config.home.rglob("*")
        if path.is_file() and word.encode() in path.read_bytes()
    ]
    assert found == []


def test_every_process_is_dead_before_the_answer(pool: Warmth) -> None:
    for _ in range(3):
        word = marker()
        code = f"import subprocess; subprocess.Popen(['setsid', 'sleep', '{word}']); print(1)"
        outcome = pool.warm(program(code))
        assert outcome.ending is Ending.succeeded
        assert not alive(word)


def test_the_cgroups_of_a_call_go_with_it(pool: Warmth) -> None:
    pool.warm(program("print(1)"))
    berths = re.compile(r"-w\d+$")
    assert until(lambda: len({path.name for path in left_cgroups(pool.config.home)}) <= 1)
    assert all(berths.search(path.name) for path in left_cgroups(pool.config.home))


def test_calls_beside_each_other_have_users_of_their_own(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give each sandbox a user of its own")
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with warmth(tmp_path, max_idle=2) as pool:
        job = program("import time; time.sleep(0.3)")
        pool.ready(job)
        with ThreadPoolExecutor(4) as threads:
            for _ in range(2):
                outcomes = list(threads.map(lambda _: run(job, config=pool.config), range(4)))
                assert len({outcome.enforcement.uid for outcome in outcomes}) == 4
        assert "warm" in {outcome.enforcement.start for outcome in outcomes}


def test_another_file_in_place_of_a_bind_is_what_the_next_call_sees(
    pool: Warmth, tmp_path: Path
) -> None:
    source = tmp_path / "config.txt"
    source.write_text("old")
    code = "print(open('/config.txt').read())"
    job = program(code, binds=(Bind(source, "/config.txt"),))
    assert pool.warm(job).stdout == b"old\n"
    new = tmp_path / "new.txt"
    new.write_text("new")
    new.replace(source)
    assert run(job, config=pool.config).stdout == b"new\n"
