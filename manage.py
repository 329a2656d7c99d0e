#!/usr/bin/env python
"""Run a Django command of Gatehouse."""

import os
import sys
from pathlib import Path


def main() -> None:
    # Appended, never put first: `import platform` must keep meaning Python's own module.
    sys.path.append(str(Path(__file__).resolve().parent / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
