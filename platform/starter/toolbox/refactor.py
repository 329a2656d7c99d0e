"""The program behind a tool: a group of definitions moved to a module of its own."""

import os
import sys

# The programs' own folder first, packages of the repository's choice last: nothing that comes
# with a repository may stand in for these modules or for the standard library's.
HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
REST = [path for path in sys.path if path not in (*LAYERS, HERE)]
OWN = [path for path in REST if "-packages" not in path]
sys.path[:] = [HERE, *OWN, *LAYERS, *[path for path in REST if path not in OWN]]

from gatehouse_tools import protocol, refactor  # noqa: E402

if __name__ == "__main__":
    protocol.serve(refactor.answer)
