"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern

api: list[URLPattern] = []
pages: list[URLPattern] = []
