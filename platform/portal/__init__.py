"""The roof: the Django project. It composes the apps and holds no domain logic."""

from portal.celery import app as celery

__all__ = ["celery"]
