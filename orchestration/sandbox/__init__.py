"""Runs untrusted programs: bubblewrap, cgroups, rlimits and a system call filter around each.

`run(job, config=...)` is the one way in; `drain()` ends what this process keeps booted for later
jobs. Nothing here knows Django; configuration is passed in.
"""

from orchestration.sandbox.config import SandboxBusy, SandboxConfig, SandboxUnavailable
from orchestration.sandbox.job import Bind, Ending, Enforcement, Job, Limits, Outcome
from orchestration.sandbox.launch import run
from orchestration.sandbox.pool import POOL, State
from orchestration.sandbox.report import Report, probe
from orchestration.sandbox.runtime import PythonRuntime, python_runtime

__all__ = [
    "Bind",
    "Ending",
    "Enforcement",
    "Job",
    "Limits",
    "Outcome",
    "PythonRuntime",
    "Report",
    "SandboxBusy",
    "SandboxConfig",
    "SandboxUnavailable",
    "State",
    "drain",
    "probe",
    "python_runtime",
    "run",
    "state",
]

drain = POOL.drain
state = POOL.state
