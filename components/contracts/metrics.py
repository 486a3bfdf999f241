"""What a step tells Prometheus: recorded while it runs, pushed once at its end.

A step lives for seconds, so nothing can scrape it. When TOUCHSTONE_PUSHGATEWAY names a Pushgateway, one group of gauges
is pushed there; when it does not, nothing is imported and nothing is sent. docs/operations.md lists the metrics.

A Pushgateway remembers what it was last told and adds nothing up, so a counter of ours would stay at 1 for ever. Each
task pushes under a group of its own (step, run, part, task) instead, and `sum` over the groups counts tasks.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from components.contracts import environment
from components.contracts.errors import GateNotPassed

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PUSHGATEWAY = "TOUCHSTONE_PUSHGATEWAY"
JOB = "touchstone"
DEADLINE_SECONDS = 5.0
GATE_SCALAR = "gate_passed"
"""A step's scalar of this name (1 or 0) also becomes touchstone_gate_passed."""
SPEED_SCALAR = "tokens_per_second"
"""A step's scalar of this name also becomes touchstone_train_tokens_per_second."""

OutcomeName = Literal["finished", "reused", "failed", "gate"]
Direction = Literal["up", "down"]

DESCRIPTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "touchstone_step_seconds": ("Duration of the task.", ("step", "outcome")),
    "touchstone_steps_total": ("1 for the task; sum over groups counts tasks.", ("step", "outcome")),
    "touchstone_rows_total": ("Rows the task wrote to a port.", ("step", "port")),
    "touchstone_store_bytes_total": ("Bytes the task moved to (up) or from (down) the object store.", ("direction",)),
    "touchstone_store_retries_total": ("Requests to the object store that the task repeated.", ()),
    "touchstone_train_tokens_per_second": ("Training speed over the whole task.", ()),
    "touchstone_gate_passed": ("1 when the gate let the run go on, 0 when it stopped it.", ("name",)),
    "touchstone_step_metric": ("The step's own scalars.", ("step", "name")),
    "touchstone_last_success_timestamp_seconds": ("Unix time at which the step last finished.", ("step",)),
}
"""Metric -> what it says, and its labels."""


class StoreTraffic:
    """Running totals of this process's exchange with the object store; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals = {"up": 0, "down": 0, "retries": 0}

    def add_bytes(self, direction: Direction, count: int) -> None:
        """Count bytes that arrived at the other end."""
        with self._lock:
            self._totals[direction] += count

    def add_retry(self) -> None:
        """Count one request that is sent again."""
        with self._lock:
            self._totals["retries"] += 1

    def totals(self) -> dict[str, int]:
        """Bytes `up` and `down`, and `retries`, since the process began."""
        with self._lock:
            return dict(self._totals)


store_traffic = StoreTraffic()
"""Where the object store's client counts."""


@dataclass
class Recorder:
    """What one task has to tell. Plain numbers only: Prometheus's client is imported when they are pushed."""

    step: str
    """The step function's name."""
    part: str = ""
    """What the step works on where a pipeline has it several times; empty = it has it once."""
    _outcome: OutcomeName = "finished"
    _rows: dict[str, int] = field(default_factory=dict)
    _scalars: dict[str, float] = field(default_factory=dict)
    _gates: dict[str, bool] = field(default_factory=dict)

    def outcome(self, name: OutcomeName) -> None:
        """State how the task ended; `finished` when nothing is said and nothing is raised."""
        self._outcome = name

    def rows(self, port: str, count: int) -> None:
        """State how many rows stand at an output port."""
        self._rows[port] = count

    def step_metrics(self, scalars: Mapping[str, float]) -> None:
        """Take over the step's own scalars; `gate_passed` and `tokens_per_second` also get metrics of their own."""
        self._scalars.update(scalars)
        if GATE_SCALAR in scalars:
            self.gate(self.step, passed=bool(scalars[GATE_SCALAR]))

    def gate(self, name: str, *, passed: bool) -> None:
        """State what a gate said."""
        self._gates[name] = passed

    def registry(self, *, seconds: float, traffic: Mapping[str, int], now: float) -> CollectorRegistry:
        """Everything recorded, as gauges in a registry of its own.

        Args:
            seconds: How long the task took.
            traffic: Bytes `up` and `down`, and `retries`, of this task.
            now: Unix time.
        """
        from prometheus_client import CollectorRegistry, Gauge

        registry = CollectorRegistry()
        gauges: dict[str, Gauge] = {}

        def put(name: str, value: float, *labels: str) -> None:
            if name not in gauges:
                text, label_names = DESCRIPTIONS[name]
                gauges[name] = Gauge(name, text, label_names, registry=registry)
            (gauges[name].labels(*labels) if labels else gauges[name]).set(value)

        put("touchstone_step_seconds", seconds, self.step, self._outcome)
        put("touchstone_steps_total", 1, self.step, self._outcome)
        for port, count in self._rows.items():
            put("touchstone_rows_total", count, self.step, port)
        for direction in ("up", "down"):
            put("touchstone_store_bytes_total", traffic[direction], direction)
        put("touchstone_store_retries_total", traffic["retries"])
        if SPEED_SCALAR in self._scalars:
            put("touchstone_train_tokens_per_second", self._scalars[SPEED_SCALAR])
        for name, passed in self._gates.items():
            put("touchstone_gate_passed", passed, name)
        for name, value in self._scalars.items():
            put("touchstone_step_metric", value, self.step, name)
        if self._outcome in ("finished", "reused"):
            put("touchstone_last_success_timestamp_seconds", now, self.step)
        return registry

    def grouping_key(self) -> dict[str, str]:
        """Labels under which the Pushgateway keeps this task apart from every other."""
        # A pod's host name is the pod's name; on one machine only the process tells tasks apart.
        key = {"step": self.step, "task": f"{socket.gethostname()}-{os.getpid()}"}
        run = environment.run_id()
        return key | ({"run": run} if run else {}) | ({"part": self.part} if self.part else {})


@contextmanager
def step_metrics(step: str, part: str = "") -> Iterator[Recorder]:
    """Record one task, and push what was recorded when the block ends, however it ends.

    An exception that passes through makes the outcome `failed` (`gate` for GateNotPassed) and goes on. Nothing that
    goes wrong here reaches the step: a push that fails, or takes longer than 5 s, is a line on stderr.

    Args:
        step: The step function's name.
        part: What it works on where a pipeline has it several times (its parameter `name`).
    """
    recorder = Recorder(step, part)
    began, before = time.monotonic(), store_traffic.totals()
    try:
        yield recorder
    except BaseException as error:
        if isinstance(error, GateNotPassed):
            recorder.outcome("gate")
            recorder.gate(step, passed=False)
        else:
            recorder.outcome("failed")
        raise
    finally:
        gateway = os.environ.get(PUSHGATEWAY)
        if gateway:
            after = store_traffic.totals()
            traffic = {name: after[name] - before[name] for name in after}
            _push_in_time(gateway, recorder, time.monotonic() - began, traffic)


def _push_in_time(gateway: str, recorder: Recorder, seconds: float, traffic: Mapping[str, int]) -> None:
    problem = [f"no answer within {DEADLINE_SECONDS:g} s"]

    def push() -> None:
        try:
            from prometheus_client import pushadd_to_gateway

            registry = recorder.registry(seconds=seconds, traffic=traffic, now=time.time())
            # Pushed by POST: a second push of the group replaces what it names and leaves the rest.
            pushadd_to_gateway(gateway, JOB, registry, recorder.grouping_key(), timeout=DEADLINE_SECONDS)
            problem.clear()
        # A defect in here must not fail a step that has done its work.
        except Exception as error:
            problem[:] = [f"{type(error).__name__}: {error}"]

    # In a thread of its own, because a socket's timeout covers neither the name's resolution nor a slow trickle.
    pusher = threading.Thread(target=push, name="pushgateway", daemon=True)
    pusher.start()
    pusher.join(DEADLINE_SECONDS)
    told = "".join(problem)
    if told:
        print(f"metrics of {recorder.step} were not pushed to {gateway}: {told}", file=sys.stderr)  # noqa: T201
