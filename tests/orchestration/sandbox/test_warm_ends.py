"""The end of a program in a booted sandbox: finalized as ever, and what is told of it is true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.orchestration.sandbox.test_warm_is_cold import seen
from tests.orchestration.sandbox.warmth import Warmth, program, warmth

ENDS = {
    "finalized with the program": """
import os, sys
class Loud:
    def __init__(self, name): self.name = name
    def __del__(self): sys.__stderr__.write(self.name + "\\n")
def first(): return loud
loud = Loud("global")
class Held:
    of_class = Loud("of a class")
    def here(self): return loud
held = Held(); held.me = held; held.of_cycle = Loud("of a cycle")
def steps():
    try: yield (yield)
    finally: print("a generator", flush=True)
step = steps(); next(step)
late = os.fdopen(os.dup(1), "w"); late.write("what was left in a buffer")
""",
    "modules of its own": """
import sys, types
class Loud:
    def __del__(self): sys.__stderr__.write("gone\\n")
made = sys.modules["made"] = types.ModuleType("made")
made.loud, made.me = Loud(), made
import __main__
print(list(vars(__main__)), list(sys.modules))
""",
    "standard output in another's place": """
import io, sys, weakref
def here(): return sys.stdout
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=False)
print("wrapped")
class A: pass
a = A(); weakref.finalize(a, print, "finalized")
""",
    "what compares as nothing else does": """
import os, sys
class Odd:
    def __eq__(self, other): raise ValueError("not to be compared")
    def __del__(self): sys.__stderr__.write("gone\\n")
os.sep, odd = Odd(), Odd()
""",
    "a function in place of the start's": """
import os, sys
class Loud:
    def __del__(self): sys.__stderr__.write("gone\\n")
def getcwd(): return loud
loud, os.getcwd = Loud(), getcwd
""",
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warmth]:
    with warmth(tmp_path_factory.mktemp("warm")) as found:
        yield found


@pytest.mark.parametrize("name", ENDS)
def test_a_program_is_finalized_as_in_a_cold_one(pool: Warmth, name: str) -> None:
    job = program(ENDS[name])
    cold = pool.cold(job)
    assert cold.stderr or cold.stdout
    assert seen(pool.warm(job)) == seen(cold)


HUNG = """
import _collections_abc, abc, builtins, codecs, encodings, io, os, site, stat, sys
class Loud:
    def __init__(self, name): self.name = name
    def __del__(self): sys.__stderr__.write(self.name + "\\n")
def here(): return loud
loud = Loud("global")
places = (_collections_abc, abc, codecs, encodings, io, os, site, stat, os.PathLike, os._Environ)
for place in (*places, os.environ, os.walk, codecs.StreamReader):
    place.loud = Loud(repr(place)[:20])
"""


def test_what_a_program_hangs_on_the_starts_own_is_finalized_too(pool: Warmth) -> None:
    cold, warm = pool.cold(program(HUNG)), pool.warm(program(HUNG))
    gone = sorted(cold.stderr.splitlines())
    assert len(gone) > 8
    assert sorted(warm.stderr.splitlines()) == gone


def test_a_program_collects_its_own_as_ever(pool: Warmth) -> None:
    code = """
import gc
class Knot: pass
def tie():
    one, other = Knot(), Knot()
    one.other, other.one = other, one
gc.collect(); tie()
print(gc.collect(), any(each is globals() for each in gc.get_objects()))
gc.unfreeze()
print(gc.get_freeze_count(), gc.garbage)
"""
    assert pool.warm(program(code)).stdout == pool.cold(program(code)).stdout


def test_what_was_used_is_told_of_the_call_alone(pool: Warmth) -> None:
    if pool.cold(program("pass")).peak_memory_bytes is None:
        pytest.skip("without a cgroup nothing counts memory")
    code = """
import time
held, end = b"x" * (64 << 20), time.process_time() + 0.3
while time.process_time() < end: pass
time.sleep(0.3)
"""
    used = pool.warm(program(code))
    assert 0.6 <= used.wall_seconds < 20
    assert 0.3 <= used.cpu_seconds <= used.wall_seconds
    assert used.peak_memory_bytes is not None
    assert used.peak_memory_bytes > 64 << 20
    little = pool.warm(program("print(1)"))
    assert 0 < little.cpu_seconds <= little.wall_seconds < 0.3
