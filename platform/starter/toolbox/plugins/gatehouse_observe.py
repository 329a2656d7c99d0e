"""Runs pieces of code beside the repository's and reports what they give, or which of them fail.

A program of its own: the request is a JSON file, the answers go as JSON lines to the file that
it names.

    {"mode": "observe", "report", "module", "names", "cases": [{"imports", "lines", "last"}]}
    {"mode": "judge", "report", "module", "cases": [code], "mutants": [source], "seconds"}
"""

import collections.abc
import datetime
import importlib.abc
import importlib.util
import itertools
import json
import os
import signal
import sys
import time

from gatehouse_render import Unrenderable, prefer, render

CASE_SECONDS = 3
MUTANT_SECONDS = 12
MAX_ITEMS = 20


class TooSlow(BaseException):
    """Not an Exception, so that the code under test doesn't swallow it."""


def limit(seconds):
    def stop(_signal, _frame):
        raise TooSlow

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def shift_clock(seconds):
    """Move the clock, for what asks it by the usual names. Before the repository is imported."""
    real_time, real_ns, real = time.time, time.time_ns, datetime.datetime
    delta = datetime.timedelta(seconds=seconds)

    class Kind(type):
        def __instancecheck__(cls, instance):
            return isinstance(instance, real)

    class Shifted(real, metaclass=Kind):
        @classmethod
        def now(cls, tz=None):
            return real.now(tz) + delta

        @classmethod
        def utcnow(cls):
            return real.now(datetime.UTC).replace(tzinfo=None) + delta

        @classmethod
        def today(cls):
            return real.now() + delta

    Shifted.__name__ = Shifted.__qualname__ = "datetime"
    real_date = datetime.date

    class DateKind(type):
        def __instancecheck__(cls, instance):
            return isinstance(instance, real_date)

    class ShiftedDate(real_date, metaclass=DateKind):
        @classmethod
        def today(cls):
            return (real.now() + delta).date()

    ShiftedDate.__name__ = ShiftedDate.__qualname__ = "date"
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_ns() + seconds * 10**9
    datetime.datetime = Shifted
    datetime.date = ShiftedDate


def observe(request, out):
    importlib.import_module(request["module"])
    prefer(request["module"], request["names"])
    for number, case in enumerate(request["cases"]):
        out({"case": number, **outcome_of(case)})


def outcome_of(case):
    """What the last expression of a case gives: a value's text, or the exception."""
    try:
        limit(CASE_SECONDS)
        space, value, wrap = run(case)
        limit(0)
        return {**description(value, space), "wrap": wrap}
    except Unrenderable as error:
        limit(0)
        return {"unusable": str(error)}
    except TooSlow:
        return {"unusable": "too slow"}
    except Exception as error:  # noqa: BLE001  whatever the code raises is its outcome
        limit(0)
        return raised(error)
    except BaseException as error:  # noqa: BLE001  sys.exit() must not end this program
        limit(0)
        return {"unusable": f"raises {type(error).__name__}"}


def run(case):
    """The case's namespace, the value of its last expression, and what had to wrap that."""
    space = {}
    exec("\n".join([*case["imports"], *case["lines"]]), space)
    value = eval(case["last"], space)
    wrap = ""
    if isinstance(value, collections.abc.Iterator):
        value, wrap = list(itertools.islice(value, MAX_ITEMS + 1)), "list"
        if len(value) > MAX_ITEMS:
            raise Unrenderable("an endless iterator")
    if isinstance(value, collections.abc.Coroutine):
        value.close()
        raise Unrenderable("a coroutine")
    return space, value, wrap


def description(value, space):
    """A value's text and what that needs. Raises Unrenderable unless the text gives it again."""
    text, imports = render(value)
    if not eval(text, {**space, **namespace(imports)}) == value:
        raise Unrenderable("a value that isn't equal to its own text")
    keys = (
        {k: render(v)[0] for k, v in value.items()}
        if type(value) is dict and all(type(k) is str for k in value)
        else None
    )
    return {"value": text, "imports": imports, "keys": keys, "float": type(value) is float}


def namespace(imports):
    space = {}
    exec("\n".join(imports), space)
    return space


def raised(error):
    try:
        text, imports = render(type(error))
    except Unrenderable as problem:
        return {"unusable": str(problem)}
    return {"raises": text, "imports": imports, "message": str(error)[:200]}


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Gives one module another source than its file's."""

    def __init__(self, module, source):
        self.module, self.source = module, source

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                self.origin = spec.origin
                return importlib.util.spec_from_loader(name, self, origin=spec.origin)
        return None

    def get_source(self, fullname):
        return self.source

    def exec_module(self, module):
        module.__file__ = self.origin
        exec(compile(self.source, self.origin, "exec", dont_inherit=True), module.__dict__)


def judge(request, out):
    """For each mutant, in a fork of its own: the numbers of the cases that fail."""
    end = time.monotonic() + request["seconds"]
    preload(request["module"])
    for number, source in enumerate(request["mutants"]):
        if time.monotonic() > end:
            out({"stopped": number})
            return
        child = os.fork()
        if child == 0:
            try:
                out({"mutant": number, "killed_by": failing(request, source)})
            finally:
                os._exit(0)
        deadline = time.monotonic() + MUTANT_SECONDS
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.005)


def preload(module):
    """Load what the repository imports from elsewhere once, rather than in every fork."""
    before = set(sys.modules)
    try:
        limit(CASE_SECONDS * 3)
        importlib.import_module("pytest")
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001  the forks will say what it is
        print(f"gatehouse: nothing preloaded: {error!r}", file=sys.stderr)
    finally:
        limit(0)
    top = module.split(".")[0]
    for name in set(sys.modules) - before:
        if name.split(".")[0] == top:
            del sys.modules[name]


def failing(request, source):
    if source is not None:
        sys.meta_path.insert(0, Mutated(request["module"], source))
    found = []
    for number, code in enumerate(request["cases"]):
        try:
            limit(CASE_SECONDS)
            exec(compile(code, "<case>", "exec"), {"__name__": "case"})
        except BaseException:  # noqa: BLE001  any way to fail notices the fault
            found.append(number)
        finally:
            limit(0)
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    descriptor = os.open(request["report"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def out(event):
        os.write(descriptor, (json.dumps(event) + "\n").encode())

    if os.environ.get("GATEHOUSE_CLOCK"):
        shift_clock(int(os.environ["GATEHOUSE_CLOCK"]))
    {"observe": observe, "judge": judge}[request["mode"]](request, out)


if __name__ == "__main__":
    main()
