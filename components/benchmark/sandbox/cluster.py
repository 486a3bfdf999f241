"""Programs through pods: batches out, verdicts in as they come, and every pod deleted whatever happens."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from components.benchmark.sandbox.pod import batches, fits, pod
from components.benchmark.sandbox.pool import TRIES, Report
from components.benchmark.sandbox.work import CONTROL, Limits, Program, Verdict, read_verdict
from components.contracts.environment import SandboxPlace
from components.contracts.errors import TouchstoneError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

POLL_SECONDS = 1.0
SECONDS_TO_START = 600.0
"""A pod that waits longer than this for a node, a quota or its image is given up."""
REQUEST_SECONDS = 30
"""Whole seconds: the client drops a timeout that is a float, without a word."""
RAW = {"_preload_content": False, "_request_timeout": REQUEST_SECONDS}


class Ended(NamedTuple):
    """How a pod's work ended."""

    verdicts: dict[str, Verdict]
    begun: str
    """Key of the program that was running when the boxes were lost; empty when none was."""


def run_in_pods(programs: Sequence[Program], pods: Pods, report: Report, workers: int) -> None:
    """Run every program once and report each as soon as its verdict is in a pod's log.

    Args:
        programs: What to run.
        pods: Where, and each program's limits.
        report: Told each verdict; called by one thread at a time.
        workers: Pods at a time.

    Raises:
        TouchstoneError: pods cannot be made or do not start.
    """
    queue = _Queue(batches(programs, pods.limits, workers))
    lost = Counter[str]()
    telling = threading.Lock()

    def tell(program: Program, verdict: Verdict) -> None:
        with telling:
            report(program, verdict)

    def work() -> None:
        try:
            while (batch := queue.take()) is not None:
                queue.finished(_run_batch(pods, batch, tell, lost))
        except BaseException:
            queue.stop()
            raise

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="pods") as threads:
        for future in [threads.submit(work) for _ in range(max(1, workers))]:
            future.result()


class _Queue:
    """Batches still to run; what a pod leaves undone comes back, so it ends only when no pod runs either."""

    def __init__(self, waiting: Iterable[Sequence[Program]]) -> None:
        self._waiting = deque(waiting)
        self._change = threading.Condition()
        self._busy = 0
        self._stopped = False

    def take(self) -> Sequence[Program] | None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or not self._busy or self._stopped)
            if not self._waiting or self._stopped:
                return None
            self._busy += 1
            return self._waiting.popleft()

    def finished(self, left: Sequence[Program]) -> None:
        with self._change:
            self._busy -= 1
            if left:
                self._waiting.append(left)
            self._change.notify_all()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()


def _run_batch(
    pods: Pods, batch: Sequence[Program], tell: Callable[[Program, Verdict], None], lost: Counter[str]
) -> Sequence[Program]:
    """Run one batch; gives what has no verdict yet."""
    if not fits(batch, pods.limits):
        for program in batch:
            tell(program, Verdict(None, "the program and its tests are longer than a pod can be given"))
        return ()
    by_key = {program.key: program for program in batch}
    ended = pods.run(batch, lambda key, verdict: tell(by_key[key], verdict))
    left = [program for program in batch if program.key not in ended.verdicts]
    if not left:
        return ()
    # Where none had begun, the first is looked at: a pod that loses its boxes for ever must end too.
    suspect = by_key.get(ended.begun, left[0])
    lost[suspect.key] += 1
    if lost[suspect.key] < TRIES:
        return left
    tell(suspect, _blame(pods, suspect))
    return [program for program in left if program is not suspect]


def _blame(pods: Pods, suspect: Program) -> Verdict:
    """Whose doing it is: a program known to be sound runs first, in a pod that is then the suspect's alone."""
    ended = pods.run([CONTROL, suspect], lambda key, verdict: None)
    if suspect.key in ended.verdicts:
        return ended.verdicts[suspect.key]
    sound = ended.verdicts.get(CONTROL.key)
    if sound is not None and sound.passed and ended.begun == suspect.key:
        return Verdict(False, f"brought its sandbox down {TRIES + 1} times")
    return Verdict(None, f"the sandbox failed {TRIES + 1} times")


class Pods:
    """The seam to Kubernetes: pods of one namespace.

    Args:
        api: A configured client; `Pods.connect` makes one.
        place: Namespace, image and runtime class.
        limits: Of each program.
    """

    def __init__(self, api: ApiClient, place: SandboxPlace, limits: Limits) -> None:
        from kubernetes import client

        self._core = client.CoreV1Api(api)
        self._place = place
        self.limits = limits

    @classmethod
    def connect(cls, place: SandboxPlace, limits: Limits) -> Pods:
        """A client with this pod's service account, or with the person's kubeconfig.

        Raises:
            TouchstoneError: there is neither.
        """
        from kubernetes import client, config

        try:
            config.load_config()
        except config.ConfigException as error:
            raise TouchstoneError(
                f"no cluster to run programs on: {error}",
                expected="a pod's service account, or a kubeconfig",
                remedy="export KUBECONFIG, or unset TOUCHSTONE_SANDBOX_NAMESPACE to run programs on this machine",
            ) from error
        return cls(client.ApiClient(), place, limits)

    def run(self, batch: Sequence[Program], tell: Callable[[str, Verdict], None]) -> Ended:
        """Run a batch in a pod of its own; `tell` hears each verdict once, when it is in the log.

        Raises:
            TouchstoneError: the pod is refused, or does not start.
        """
        token = secrets.token_hex(16)
        body = pod(batch, self._place, self.limits, token)
        name = str(body["metadata"]["name"])
        keys = {program.key for program in batch}
        ended = Ended({}, "")
        try:
            self._create(body)
            started = time.monotonic()
            while True:
                state = self._state(name)
                ended = self._heard(name, token, keys, ended, tell)
                if state.get("phase") in {"Succeeded", "Failed"} or len(ended.verdicts) == len(keys):
                    return self._heard(name, token, keys, ended, tell)
                if state.get("phase") != "Running" and time.monotonic() - started > SECONDS_TO_START:
                    raise TouchstoneError(
                        f"pod {name} did not start in {SECONDS_TO_START:.0f} s: {_why(state)}",
                        expected=f"room for it in {self._place.namespace}, and its image",
                        remedy=f"kubectl -n {self._place.namespace} describe pod {name}; touchstone doctor",
                    )
                time.sleep(POLL_SECONDS)
        finally:
            self._delete(name)

    def _create(self, body: dict[str, Any]) -> None:
        from kubernetes.client.exceptions import ApiException

        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                # Read to its end, so that the connection serves again.
                _ = self._core.create_namespaced_pod(self._place.namespace, body, **RAW).data
                return
            except ApiException as error:
                said = _message(error)
                if error.status == 409:
                    return  # an answer that was lost: the name is nobody else's
                if not _passes(error, said) or time.monotonic() > deadline:
                    raise TouchstoneError(
                        f"the cluster refuses a pod in {self._place.namespace}: {said}",
                        expected="the right to create pods there, as the chart gives it to the pipelines' account",
                        remedy="touchstone doctor",
                    ) from error
            time.sleep(POLL_SECONDS)

    def _state(self, name: str) -> dict[str, Any]:
        """The pod's status; Failed when it is gone; nothing when the server does not answer."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._core.read_namespaced_pod(name, self._place.namespace, **RAW)
            status: dict[str, Any] = json.loads(answer.data).get("status") or {}
            return status
        except ApiException as error:
            if error.status == 404:
                return {"phase": "Failed"}
            if not _passes(error, ""):
                raise TouchstoneError(f"pod {name}: {_message(error)}", remedy="touchstone doctor") from error
        except HTTPError:
            pass
        return {}

    def _heard(
        self, name: str, token: str, keys: set[str], before: Ended, tell: Callable[[str, Verdict], None]
    ) -> Ended:
        """What the verifier's log says by now."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._core.read_namespaced_pod_log(name, self._place.namespace, container="verify", **RAW)
            lines = answer.data.decode("utf-8", "replace").splitlines(keepends=True)
        except (ApiException, HTTPError):
            return before
        verdicts, begun = dict(before.verdicts), ""
        for line in lines:
            mark, _, text = line.partition(" ")
            if mark != token or not line.endswith("\n"):
                continue
            said = json.loads(text)
            key = said.get("key")
            if key not in keys:
                continue
            if said.get("began"):
                begun = key
            elif key not in verdicts:
                verdicts[key] = read_verdict(said)
                tell(key, verdicts[key])
        return Ended(verdicts, "" if begun in verdicts else begun)

    def _delete(self, name: str) -> None:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        # What cannot be deleted now ends by its own deadline.
        with contextlib.suppress(ApiException, HTTPError):
            _ = self._core.delete_namespaced_pod(name, self._place.namespace, grace_period_seconds=0, **RAW).data


def _passes(error: Any, said: str) -> bool:
    """Whether a refusal may be over in a while: a full quota, a busy server."""
    return error.status in {0, 429, 500, 502, 503, 504} or (error.status == 403 and "exceeded quota" in said)


def _message(error: Any) -> str:
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return str(json.loads(error.body)["message"])[:500]
    return f"{error.status} {error.reason}"


def _why(state: dict[str, Any]) -> str:
    """What a pod waits for."""
    waits = [
        f"{each['state']['waiting'].get('reason')} {each['state']['waiting'].get('message', '')}".strip()
        for each in state.get("containerStatuses") or []
        if "waiting" in each.get("state", {})
    ]
    conditions = [c["message"] for c in state.get("conditions") or [] if c.get("message")]
    return "; ".join([*conditions, *waits])[:500] or "no reason is given"
