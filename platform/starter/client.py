"""A small client of the platform's REST API, for agents.

An agent's program is started with GATEHOUSE_URL, GATEHOUSE_KEY, GATEHOUSE_TASK and
GATEHOUSE_TASK_TOKEN in its environment; that is all it needs. Every write carries a key of its own
that follows from the task or the step, so that a request that is sent twice acts once.
"""

import itertools
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self
from uuid import NAMESPACE_URL, uuid5

import httpx

TRIES = 6
WAIT_SECONDS = 25
ENDED = {"succeeded", "failed", "timed_out", "refused", "cancelled", "lost"}


class PlatformError(Exception):
    """The platform said no: `reason` is its stable word, `body` the problem document."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.body = body
        super().__init__(f"{status} {self.reason}: {body.get('detail', '')}")


class ToolFailed(Exception):
    """The tool ran and didn't succeed: `call` is the whole record of it."""

    def __init__(self, call: Mapping[str, Any]) -> None:
        self.call = call
        error = call.get("error") or {}
        self.reason = str(error.get("reason", call["status"]))
        super().__init__(f"{call['tool']} {call['status']}: {error.get('message', '')}")


class Platform:
    """The platform as one task of one agent sees it."""

    def __init__(self, *, url: str, key: str, task_id: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/api/v1/",
            headers={"Authorization": f"Bearer {key}"},
            # A tool call answers when the tool has ended, which may take its whole time limit.
            timeout=httpx.Timeout(30, read=1200),
            trust_env=False,
        )
        self._task_id = task_id
        self._token = token
        self._numbers: Iterator[int] = itertools.count(1)
        self.task: dict[str, Any] = self._send("GET", f"tasks/{task_id}/")
        self.run_id: str | None = self.task.get("run")

    @classmethod
    def from_environment(cls) -> Self:
        return cls(
            url=os.environ["GATEHOUSE_URL"],
            key=os.environ["GATEHOUSE_KEY"],
            task_id=os.environ["GATEHOUSE_TASK"],
            token=os.environ["GATEHOUSE_TASK_TOKEN"],
        )

    @property
    def input(self) -> dict[str, Any]:
        found: dict[str, Any] = self.task["input"]
        return found

    @property
    def next_step(self) -> str:
        """The step that waits for this one; empty where none does."""
        waiting: list[str] = self.task.get("next_steps") or []
        return waiting[0] if waiting else ""

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and wait for its result. Raises ToolFailed, or PlatformError when refused."""
        body = {
            "arguments": {name: value for name, value in arguments.items() if value is not None},
            "idempotency_key": f"{self._task_id}:{next(self._numbers)}",
        }
        if self.run_id:
            body["run"] = self.run_id
        call = self._send("POST", f"tools/{tool}/call/", body)
        while call["status"] not in ENDED:
            call = self._send("GET", f"tool-calls/{call['id']}/?wait={WAIT_SECONDS}")
        if call["status"] != "succeeded":
            raise ToolFailed(call)
        result: dict[str, Any] = call["result"]
        if isinstance(result, dict) and set(result) == {"reference"}:
            # Too large to travel with its call. From the call's own address, never from one that
            # stands in a result: a tool may write what it likes there.
            return self._send("GET", f"tool-calls/{call['id']}/result/")
        return result

    def project(self, name: str) -> dict[str, Any]:
        return self._send("GET", f"projects/{name}/")

    def run(self) -> dict[str, Any]:
        return self._send("GET", f"runs/{self.run_id}/")

    def change(self, project: str, *, name: str, **change: Any) -> dict[str, Any]:
        """Write one changeset. `name` says which of the step's changes it is: sent again, also by
        a later attempt of the same step, it is the changeset that was written the first time."""
        body = {**change, "key": self._key(name)}
        return self._send("POST", f"projects/{project}/changesets/", body)

    def roll_back(self, project: str, *, name: str, rev: int, reason: str) -> dict[str, Any]:
        body = {"rev": rev, "reason": reason, "key": self._key(name)}
        return self._send("POST", f"projects/{project}/rollback/", body)

    def say(self, **progress: Any) -> None:
        """Tell what is going on; people see it on the run's page."""
        body = {"token": self._token, "progress": progress}
        self._send("POST", f"tasks/{self._task_id}/heartbeat/", body)

    def complete(self, output: Mapping[str, Any]) -> None:
        body = {"token": self._token, "output": dict(output)}
        self._send("POST", f"tasks/{self._task_id}/complete/", body)

    def fail(self, reason: str, message: str, *, retryable: bool) -> None:
        error = {"reason": reason, "message": message[:4000]}
        body = {"token": self._token, "error": error, "retryable": retryable}
        self._send("POST", f"tasks/{self._task_id}/fail/", body)

    def _key(self, name: str) -> str:
        step = self.task.get("step") or self._task_id
        return str(uuid5(NAMESPACE_URL, f"{step}:{name}"))

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send, and again where the connection broke or the platform was away for a moment."""
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._http.request(method, path, json=body)
            except httpx.TransportError:
                if attempt == TRIES:
                    raise
            else:
                if answer.status_code not in {429, 503} or attempt == TRIES:
                    return _body(answer)
            time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")


def _body(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found
    try:
        problem = answer.json()
    except ValueError:
        problem = {"detail": answer.text[:500]}
    raise PlatformError(answer.status_code, problem)
