"""The main job, shown: the first run of a new home, and `make demo`."""

from portal.demo.first import first_run

__all__ = ["first_run"]
