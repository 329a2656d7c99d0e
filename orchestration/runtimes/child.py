"""What a starter agent's process begins with: it dies with its parent, then becomes the program.

Standard library only. Arguments: the parent's process id, and the module to run.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent's thread ends; at once where it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the platform is gone")


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    module = sys.argv[2]
    # The script's own folder isn't where programs are looked for.
    sys.path[0] = ""
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
