"""The admin of this app."""

from orchestration.admin import calls, resilience, runs

__all__ = ["calls", "resilience", "runs"]
