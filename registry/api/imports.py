"""The REST doors of imports and exports."""

from typing import Any

from django.http import HttpResponse
from kernel import schemas
from kernel.api import Door
from kernel.problems import Forbidden, Invalid, Issue, NotFound
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from registry.exporting import documents
from registry.importing import planning, reading, texts
from registry.importing.drafts import Imported, Terms
from registry.models import Team, Tool

MAX_EXPORTED = 5_000

_WORD = {"type": "string", "default": "", "maxLength": 200}
IMPORT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "format": {"enum": list(texts.FORMATS)},
        "document": {"description": "The document itself, or its text in JSON or YAML."},
        "dry_run": {"type": "boolean", "default": False},
        "team": {"type": "string", "default": "platform-team"},
        "source": _WORD,
        "prefix": {"type": "string", "default": "", "pattern": "^([a-z][a-z0-9_]{0,30})?$"},
        "url": {"type": "string", "default": "", "maxLength": 2_000},
        "only": _WORD,
        "permissions": {
            "type": "array",
            "items": {"type": "string", "maxLength": 64},
            "maxItems": 20,
            "default": [],
        },
        "shared": {"type": "boolean", "default": False},
        "results": {"type": "boolean", "default": True},
        "seen": {"type": "string", "default": "", "maxLength": 64},
    },
    "required": ["format", "document"],
    "additionalProperties": False,
}


class ToolImport(Door):
    """POST tools/import/ {format, document, dry_run?, team?, source?, …}: the platform team brings
    tools in. With `dry_run` the answer is the plan; `seen` is the digest of a plan that is to be
    applied as it was shown."""

    def post(self, request: Request) -> Response:
        if not self.actor.is_platform:
            raise Forbidden("Only the platform team imports tools. Propose one instead.")
        asked = _asked(request.data)
        team: Team | None = Team.objects.filter(name=asked["team"]).first()
        if team is None:
            told = f"there is no team {asked['team']!r}"
            raise Invalid("The import needs an owner.", errors=(Issue("/team", told),))
        terms = Terms(
            prefix=asked["prefix"],
            url=asked["url"],
            only=asked["only"],
            permissions=tuple(asked["permissions"]),
            shared=asked["shared"],
            results=asked["results"],
        )
        imported = _read(asked, terms)
        if asked["dry_run"]:
            made = planning.plan(imported, team, terms)
        else:
            made = planning.apply(imported, team, self.actor, terms, seen=asked["seen"])
        return Response(made.as_json() | {"applied": not asked["dry_run"]})


def _asked(data: Any) -> dict[str, Any]:
    faults = schemas.faults_of_value(data, IMPORT)
    if faults:
        raise Invalid("The request doesn't fit.", errors=faults)
    return schemas.with_defaults(data, IMPORT)


def _read(asked: dict[str, Any], terms: Terms) -> Imported:
    document = asked["document"]
    if isinstance(document, str):
        raw = document.encode("utf-8", "replace")
        return texts.read_text(asked["format"], raw, asked["source"], terms)
    reading.refuse_deep(document)
    return texts.read(asked["format"], document, asked["source"], terms)


class _JsonAlone(BaseContentNegotiation):
    """`format` is ours here, not the choice of a renderer."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ToolExport(Door):
    """GET tools/export/?format=openai|anthropic|mcp|yaml&strict=true&team=&name=: the live tools
    that the caller sees; YAML gives the entries, which those who may change them read."""

    content_negotiation_class = _JsonAlone

    def get(self, request: Request) -> Response | HttpResponse:
        asked = request.query_params
        kind = asked.get("format", "")
        if kind not in documents.FORMATS:
            told = f"{kind[:40]!r} is none of {', '.join(documents.FORMATS)}"
            raise Invalid("Say which format.", errors=(Issue("/format", told),))
        rows = Tool.objects.visible_to(self.actor, "change" if kind == "yaml" else "view")
        rows = rows.filter(removed_at__isnull=True)
        rows = rows.select_related("team", "replacement", "live_version").order_by("name")
        if asked.get("team"):
            rows = rows.filter(team__name=asked["team"])
        if names := asked.getlist("name"):
            rows = rows.filter(name__in=names)
            if missing := sorted(set(names) - set(rows.values_list("name", flat=True))):
                raise NotFound(f"There is no tool {missing[0]!r} for you.")
        strict = asked.get("strict", "").lower() in ("1", "true")
        exported = documents.export(rows[:MAX_EXPORTED], kind, strict=strict)
        if kind == "yaml":
            return HttpResponse(documents.text(exported), content_type="application/yaml")
        return Response(exported.as_json())
