"""The embedded Celery worker: one consumer in this process, and a pool of threads a queue."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.concurrency.base import BasePool, apply_target
from celery.concurrency.thread import ApplyResult
from celery.worker import WorkController, state

from portal.celery import app

# Threads by queue. A message of one queue never waits for a slot of another.
QUEUES = {"engine": 4, "agents": 4, "calls": 8}


class Pools(BasePool):  # type: ignore[misc]
    """A pool of threads for each queue.

    Celery knows one pool a worker, and one worker a process: its state is global.
    """

    body_can_be_buffer = True
    signal_safe = False

    def on_start(self) -> None:
        self.executors = {
            queue: ThreadPoolExecutor(max_workers=size, thread_name_prefix=queue)
            for queue, size in QUEUES.items()
        }

    def on_stop(self) -> None:
        for executor in self.executors.values():
            executor.shutdown(wait=False, cancel_futures=True)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> ApplyResult:
        executor = self.executors[self._queue(args)]
        return ApplyResult(
            executor.submit(apply_target, target, args, kwargs or {}, callback, accept_callback)
        )

    @staticmethod
    def _queue(args: tuple[Any, ...]) -> str:
        """The queue that a message came by. Celery's arguments are (task, id, request, body, …)."""
        queue = args[2]["delivery_info"]["routing_key"]
        return queue if queue in QUEUES else "engine"


class Worker:
    """Celery's worker in a daemon thread of this process."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._controller: WorkController | None = None

    def start(self) -> None:
        state.should_stop = None
        self._controller = app.WorkController(
            pool=Pools,
            concurrency=sum(QUEUES.values()),
            queues=list(QUEUES),
            # Messages are ids in this process's memory: taking all of them costs nothing, and
            # those of a busy queue never keep the others back.
            prefetch_multiplier=0,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel="WARNING",
        )
        threading.Thread(target=self._work, name="celery", daemon=True).start()

    def _work(self) -> None:
        try:
            self._controller.start()  # type: ignore[union-attr]
        finally:
            self._stopped.set()

    def stop(self, grace: float) -> bool:
        """Take no more messages, and give those at work `grace` seconds.

        Returns whether all of them ended. What is left belongs to recovery: rows outlive us.
        """
        state.should_stop = 0
        deadline = time.monotonic() + grace
        while state.active_requests and time.monotonic() < deadline:
            time.sleep(0.02)
        return not state.active_requests
