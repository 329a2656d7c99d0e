"""People with a browser: Django's client, and a real headless Chromium that notes every fault."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from registry.models import User
from tests import factories, services

DESK, PHONE = 1280, 390


@pytest.fixture
def browse() -> Callable[[User | None], Client]:
    """Django's own client, signed in as the person."""

    def client(user: User | None) -> Client:
        found = Client()
        if user is not None:
            found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return found

    return client


@dataclass
class Visit:
    """A page in the browser, and what went wrong on it: console errors, refused scripts and styles
    (the content security policy), exceptions, requests to other hosts, sideways scrolling."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def watch(self) -> "Visit":
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("request", self._request)
        return self

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text} at {message.location}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.faults.append(f"leaves the host: {request.url}")

    def go(self, path: str) -> None:
        """Open the path, and see whether it fits the window's width."""
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        width, shown = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if width > shown:
            self.faults.append(f"{path} is {width} wide in a window of {shown}")

    def sign_in(self, name: str) -> None:
        """By the keyboard alone: the first field has the focus."""
        self.go("/login/")
        self.page.keyboard.type(name)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(factories.PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"{self.url}/")
        self.page.wait_for_load_state("networkidle")

    def tab_to(self, selector: str, most: int = 80) -> None:
        """Press Tab until the element has the focus."""
        for _ in range(most):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} can't be reached by {most} tabs")

    def approve(self) -> None:
        """Write a comment where the focus is, and approve, by keyboard."""
        self.page.keyboard.type("reads well")
        self.tab_to('button[value="approve"]')
        self.page.keyboard.press("Enter")
        self.page.get_by_text("You approved this.").wait_for()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = services.need("chromium")
    # Playwright keeps an event loop in this thread, which is all that Django sees of it.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        # Chromium's own sandbox doesn't start as root; it shows pages of this test alone.
        browser = playwright.chromium.launch(
            executable_path=str(program), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, live_server: Any) -> Iterator[Callable[..., Visit]]:
    """`visit(width, scheme)` opens a window; at the end no page of it may have had a fault."""
    visits: list[Visit] = []

    def open_window(width: int = DESK, scheme: Any = "light", **options: Any) -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": 860}, color_scheme=scheme, **options
        )
        visits.append(Visit(context.new_page(), live_server.url).watch())
        return visits[-1]

    yield open_window
    faults = [fault for each in visits for fault in each.faults]
    for each in visits:
        each.page.context.close()
    assert not faults, "\n".join(faults)
