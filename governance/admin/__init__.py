"""Governance in the admin."""

from governance.admin import audit, definitions, happenings

__all__ = ["audit", "definitions", "happenings"]
