"""The admin of this app."""

from orchestration.admin import calls, runs

__all__ = ["calls", "runs"]
