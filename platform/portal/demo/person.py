"""A person at the web pages: signs in, reads, and sends the forms that a page shows."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx


class PageError(Exception):
    """A page answered with something else than what a person would go on with."""


@dataclass
class Form:
    """One form of a page: where it goes and what it carries when nothing is touched."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(Form(given.get("action") or ""))
        name = given.get("name")
        if not self.forms or not name or tag not in {"input", "button", "textarea", "select"}:
            return
        value = given.get("value") or ""
        if tag == "button" or given.get("type") in {"radio", "checkbox", "submit"}:
            self.forms[-1].choices.setdefault(name, []).append(value)
        else:
            self.forms[-1].values[name] = value


class Person:
    """One signed-in person with a browser's cookies."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.http = httpx.Client(
            base_url=url,
            timeout=60,
            follow_redirects=True,
            trust_env=False,
            headers={"Referer": url},
        )
        self.url = url
        self._sign_in(name, password)

    def _sign_in(self, name: str, password: str) -> None:
        form = self.form_with("/login/", "password")
        answer = self.send("/login/", form, {"username": name, "password": password})
        if "/login" in str(answer.url):
            raise PageError(f"{name} can't sign in at {self.url}.")

    def page(self, path: str) -> str:
        answer = self.http.get(path)
        if answer.status_code != httpx.codes.OK:
            raise PageError(f"{path} answered {answer.status_code}.")
        return answer.text

    def form_with(self, path: str, name: str) -> Form:
        """The page's form that has a field of this name."""
        parser = _Forms()
        parser.feed(self.page(path))
        for form in parser.forms:
            if name in form.values or name in form.choices:
                return form
        raise PageError(f"{path} shows no form with {name!r}.")

    def send(self, path: str, form: Form, answers: dict[str, Any]) -> httpx.Response:
        """Send a form of the page at `path`, filled in."""
        answer = self.http.post(urljoin(path, form.action or path), data=form.values | answers)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise PageError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """A document of the REST API."""
        answer = self.http.get(f"/api/v1/{path}")
        return self._document(path, answer)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        token = self.http.cookies.get("csrftoken") or ""
        answer = self.http.post(f"/api/v1/{path}", json=body, headers={"X-CSRFToken": token})
        return self._document(path, answer)

    def everything(self, path: str) -> list[dict[str, Any]]:
        """All results of a list, page by page."""
        found: list[dict[str, Any]] = []
        page = self.get(path)
        while True:
            found += page["results"]
            if not page.get("next"):
                return found
            page = self._document(path, self.http.get(page["next"]))

    def _document(self, path: str, answer: httpx.Response) -> dict[str, Any]:
        if not answer.is_success:
            raise PageError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
        document: dict[str, Any] = answer.json()
        return document
