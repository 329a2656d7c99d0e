"""A pytest plugin: writes down with which arguments the repository's tests call some functions.

GATEHOUSE_SUBJECT is a JSON object {module, names, record}: calls of the module's functions and
methods go as JSON lines to the file ``record``. Only arguments with a readable text are kept.
"""

import importlib
import inspect
import json
import os
import sys
import threading

from gatehouse_render import Unrenderable, prefer, render

MAX_CALLS = 60
MAX_LOOKED_AT = 3_000
MAX_INSTANCES = 40
MAX_HISTORY = 6
OPERATORS = {"__contains__", "__len__", "__getitem__", "__call__", "__str__", "__repr__"}


class Recorder:
    def __init__(self, subject):
        self.subject = subject
        self.codes = {}
        self.unwritable = 0
        self.defaults = {}
        self.counts = {}
        self.looked = {}
        self.seen = set()
        self.instances = {}
        self.busy = False
        self.file = open(subject["record"], "a", encoding="utf-8")  # noqa: SIM115
        self.owner = os.getpid()

    def find(self):
        """The code objects to watch; False until the module is there."""
        try:
            module = importlib.import_module(self.subject["module"])
        except Exception as error:  # noqa: BLE001  the repository may raise anything
            print(
                f"gatehouse: {self.subject['module']} can't be imported: {error!r}", file=sys.stderr
            )
            return False
        prefer(self.subject["module"], self.subject["names"])
        for name in self.subject["names"]:
            value = getattr(module, name, None)
            if inspect.isclass(value):
                for attribute, member in vars(value).items():
                    function = (
                        inspect.unwrap(getattr(member, "__func__", member))
                        if callable(member) or hasattr(member, "__func__")
                        else None
                    )
                    plain = inspect.isfunction(member)
                    if plain and (
                        not attribute.startswith("_")
                        or attribute in OPERATORS
                        or attribute == "__init__"
                    ):
                        self.codes[function.__code__] = (name, attribute, value)
                        self.defaults[function.__code__] = defaults_of(function)
            elif callable(value):
                function = inspect.unwrap(value)
                if inspect.isfunction(function):
                    self.codes[function.__code__] = (name, None, None)
                    self.defaults[function.__code__] = defaults_of(function)
        return True

    def __call__(self, frame, event, _argument):
        if event != "call" or frame.f_code not in self.codes or self.busy:
            return
        self.busy = True
        try:
            self.note(frame)
        except Exception:  # noqa: BLE001  a value whose own methods raise
            self.unwritable += 1
        finally:
            self.busy = False

    def note(self, frame):
        name, method, owner = self.codes[frame.f_code]
        key = (name, method)
        self.looked[key] = self.looked.get(key, 0) + 1
        if self.looked[key] > MAX_LOOKED_AT or os.getpid() != self.owner:
            return
        if method is None:
            if self.counts.get(key, 0) < MAX_CALLS:
                self.write_call(frame, key, name)
        else:
            self.note_method(frame, method, owner, name)

    def write_call(self, frame, key, name):
        arguments, imports = call_text(frame, self.defaults[frame.f_code], skip=0)
        line = json.dumps({"name": name, "arguments": arguments, "imports": imports})
        if line not in self.seen:
            self.seen.add(line)
            self.counts[key] = self.counts.get(key, 0) + 1
            self.file.write(line + "\n")
            self.file.flush()

    def note_method(self, frame, method, owner, name):
        own = frame.f_locals.get(frame.f_code.co_varnames[0]) if frame.f_code.co_argcount else None
        if type(own) is not owner:
            return
        caller = frame.f_back
        if caller is not None and caller.f_locals.get("self") is own:
            return
        known = self.instances.get(id(own))
        if method == "__init__":
            if len(self.instances) < MAX_INSTANCES and not is_dataclass_init(frame):
                self.instances[id(own)] = history = {
                    "object": own,
                    "name": name,
                    "calls": [],
                    "good": True,
                }
                self.extend(history, frame, method)
            return
        if known is None and len(self.instances) < MAX_INSTANCES:
            try:
                text, imports = render(own)
            except Unrenderable:
                return
            known = {"object": own, "name": name, "calls": [], "good": True}
            known["calls"].append({"text": text, "imports": imports})
            self.instances[id(own)] = known
        if known is not None and len(known["calls"]) <= MAX_HISTORY:
            self.extend(known, frame, method)

    def extend(self, history, frame, method):
        """Once an argument can't be written down, nothing after it means anything."""
        if not history["good"]:
            return
        try:
            arguments, imports = call_text(frame, self.defaults[frame.f_code], skip=1)
        except Unrenderable:
            history["good"] = False
            return
        history["calls"].append({"method": method, "arguments": arguments, "imports": imports})

    def finish(self):
        if os.getpid() != self.owner:
            return
        seen = set()
        for history in self.instances.values():
            line = json.dumps({"name": history["name"], "history": history["calls"]})
            if len(history["calls"]) > 1 and line not in seen:
                seen.add(line)
                self.file.write(line + "\n")
        self.file.close()


def is_dataclass_init(frame):
    return frame.f_code.co_filename == "<string>"


def defaults_of(function):
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def is_default(value, name, defaults):
    if name not in defaults:
        return False
    default = defaults[name]
    return value is default or (
        type(value) is type(default) in (str, int, float, bytes) and value == default
    )


def call_text(frame, defaults, skip):
    """The arguments of a call as they are at its start: [[keyword or null, text], ...]."""
    code, values = frame.f_code, frame.f_locals
    imports = set()
    arguments = []
    names = code.co_varnames
    positional = code.co_argcount
    omitted = False
    if code.co_flags & inspect.CO_VARARGS:
        defaults = {k: v for k, v in defaults.items() if k not in names[:positional]}
    for index, name in enumerate(names[skip : positional + code.co_kwonlyargcount], skip):
        if is_default(values[name], name, defaults):
            omitted = True
            continue
        text, needed = render(values[name])
        imports.update(needed)
        if omitted and index < code.co_posonlyargcount:
            raise Unrenderable("a positional argument after one left out")
        keyword = (
            name
            if omitted or index >= max(code.co_posonlyargcount, min(positional, skip + 2))
            else None
        )
        arguments.append([keyword, text, name])
    rest = positional + code.co_kwonlyargcount
    if code.co_flags & inspect.CO_VARARGS:
        for item in values[names[rest]]:
            text, needed = render(item)
            imports.update(needed)
            for argument in arguments[: positional - skip]:
                argument[0] = None
            arguments.insert(
                positional - skip + sum(a[2] is None for a in arguments), [None, text, None]
            )
        rest += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        for key, item in values[names[rest]].items():
            text, needed = render(item)
            imports.update(needed)
            arguments.append([key, text, key])
    return arguments, sorted(imports)


def pytest_configure(config):
    raw = os.environ.get("GATEHOUSE_SUBJECT")
    if raw:
        config.pluginmanager.register(Session(Recorder(json.loads(raw))), "gatehouse-recorder")


class Session:
    def __init__(self, recorder):
        self.recorder = recorder

    def pytest_collection_finish(self, session):
        if self.recorder.find():
            threading.setprofile(self.recorder)
            sys.setprofile(self.recorder)

    def pytest_runtest_setup(self, item):
        sys.setprofile(self.recorder)

    def pytest_unconfigure(self, config):
        sys.setprofile(None)
        self.recorder.finish()
