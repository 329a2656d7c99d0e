"""The admin of this app."""

from orchestration.admin import calls, examples, resilience, runs, upstreams

__all__ = ["calls", "examples", "resilience", "runs", "upstreams"]
