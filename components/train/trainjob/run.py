"""A TrainJob from its request to its end: made or found again, followed, cleaned up after, or called off.

Who removes a TrainJob:

- it completed: the step, when the last run that waits for it has seen so; its log is in the step's own by then
- it failed: nobody, so that a person can look at it; `retry` deletes it and makes it anew
- it cannot start (no nodes, no image): the step, before it gives up; nothing is lost with it
- the run is cancelled (SIGTERM to the step's pod, Ctrl-C): the step, unless another run waits for it too
- the step's pod is evicted or its node drained: nobody; the step's next pod finds the TrainJob by its name
- the run is deleted: Kubernetes, since the run's Workflow owns the TrainJob
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, TextIO

from components.contracts.errors import TouchstoneError
from components.train.signals import Terminated, signals_ignored, sigterm_raises
from components.train.trainjob import reasons, spec
from components.train.trainjob.cluster import Cluster, Object
from components.train.trainjob.refusals import ClusterUnreachable, Forbidden
from components.train.trainjob.request import TrainJobRequest
from components.train.trainjob.surroundings import this_pod
from components.train.trainjob.trouble import STARTING, Trouble, condition
from components.train.trainjob.watch import Sight, Watcher

NOTICE_SECONDS = 10.0
"""What keeps the pods from running is told when it has lasted this long; every pod waits a moment."""
GONE_SECONDS = 300.0
"""How long a TrainJob may take to be deleted."""
TERMINATED_EXIT_CODE = 128 + signal.SIGTERM


@dataclass(frozen=True)
class TrainJobResult:
    """A TrainJob that completed."""

    name: str
    """Its name."""
    attached: bool
    """Whether it had been made by an earlier call."""
    seconds: float
    """How long this call waited for it."""


def run_train_job(request: TrainJobRequest, cluster: Cluster, stream: TextIO | None = None) -> TrainJobResult:
    """Train in a TrainJob, or take over the one that an earlier call of the same step made.

    Args:
        request: What to run. Its name is the step's identity.
        cluster: Where.
        stream: Where events and the chief's log go; the standard error stream when left out.

    Raises:
        TouchstoneError: it failed or cannot start, with the reason.
        SystemExit: the process was told to stop (SIGTERM); exit code 143.
        KeyboardInterrupt: Ctrl-C, after the TrainJob was called off.
    """
    began = time.monotonic()
    watcher = Watcher(cluster, request.namespace, request.name, stream or sys.stderr)
    with sigterm_raises():
        try:
            attached = _submitted(request, cluster, watcher)
            watcher = Watcher(cluster, request.namespace, request.name, stream or sys.stderr, attached=attached)
            _finished(request, cluster, watcher)
            _let_go(request, cluster)
        except (Terminated, KeyboardInterrupt) as told:
            with signals_ignored():
                _call_off(request, cluster, watcher)
            if isinstance(told, KeyboardInterrupt):
                raise
            raise SystemExit(TERMINATED_EXIT_CODE) from None
    return TrainJobResult(request.name, attached, time.monotonic() - began)


def _submitted(request: TrainJobRequest, cluster: Cluster, watcher: Watcher) -> bool:
    """See that the TrainJob exists; whether it did before."""
    give_up = time.monotonic() + GONE_SECONDS
    while time.monotonic() < give_up:
        found = cluster.train_job(request.namespace, request.name)
        if found is None:
            _check_runtime(request, cluster)
            made = cluster.create(request.namespace, spec.train_job(request))
            if made is not None:
                watcher.say(f"made TrainJob {request.name}: {request.num_nodes} node(s), runtime {request.runtime}")
                return False
            continue
        _check_ours(request, found)
        if found["metadata"].get("deletionTimestamp"):
            time.sleep(request.poll_seconds)
        elif condition(found, "Failed") and request.retry:
            watcher.say(f"TrainJob {request.name} failed before and is made anew")
            cluster.delete(found, pods_first=True)
        elif _joined(request, cluster, found):
            watcher.say(f"found TrainJob {request.name}, made {found['metadata']['creationTimestamp']}")
            return True
    raise TouchstoneError(
        f"TrainJob {request.name} is still being deleted after {GONE_SECONDS:.0f} s",
        expected="that its pods and finalizers go",
        remedy=f"kubectl -n {request.namespace} get trainjob {request.name} -o yaml",
    )


def _check_runtime(request: TrainJobRequest, cluster: Cluster) -> None:
    try:
        found = cluster.runtime(request.runtime)
    except Forbidden:
        return  # Looking is a courtesy: the Trainer's webhook refuses an unknown runtime too.
    if found is None:
        raise reasons.runtime_missing(request.runtime).error()


def _check_ours(request: TrainJobRequest, found: Object) -> None:
    made_for = (found["metadata"].get("labels") or {}).get(spec.STEP_LABEL)
    if made_for != request.step:
        raise TouchstoneError(
            f"a TrainJob {request.name} exists in {request.namespace} that this step did not make",
            expected=f"label {spec.STEP_LABEL}={request.step}, found {made_for or 'none'}",
            remedy=f"kubectl -n {request.namespace} delete trainjob {request.name}, if nobody needs it",
        )


def _joined(request: TrainJobRequest, cluster: Cluster, found: Object) -> bool:
    """Become one of its owners; False = it changed meanwhile, look again."""
    owners = list(found["metadata"].get("ownerReferences") or [])
    if request.owner is None or request.owner.uid in {owner["uid"] for owner in owners}:
        return True
    return cluster.set_owners(found, [*owners, spec.owner_reference(request.owner)])


def _finished(request: TrainJobRequest, cluster: Cluster, watcher: Watcher) -> None:
    """Wait for the end.

    Raises:
        TouchstoneError: it was not a good one, or did not come.
    """
    patience, outage = _Patience(request), _Outage(request, watcher)
    while True:
        with outage.survived():
            sight = watcher.look()
            if sight is None:
                _raise_gone(request)
            if condition(sight.job, "Complete"):
                return
            if condition(sight.job, "Failed"):
                cause = reasons.failure(sight.job, sight.pods, sight.events)
                raise cause.error(watcher.last_lines(cause))
            spent = patience.spent(reasons.waiting(sight.job, sight.pods, sight.events), watcher)
            if spent is not None:
                _give_up(request, cluster, spent, sight)
        time.sleep(request.poll_seconds)


def _give_up(request: TrainJobRequest, cluster: Cluster, trouble: Trouble, sight: Sight) -> NoReturn:
    # Left alone it would take its nodes later, with nobody waiting. Someone who suspended it wants it kept.
    if trouble.kind != "suspended" and not _others(request, sight.job):
        cluster.delete(sight.job)
    raise trouble.error()


def _raise_gone(request: TrainJobRequest) -> NoReturn:
    raise TouchstoneError(
        f"TrainJob {request.name} was deleted while it was waited for",
        expected="that it stays until its end",
        remedy="run the same command again: it is made anew; kubectl get events tells who deleted it",
    )


class _Patience:
    """How long each kind of trouble has lasted."""

    def __init__(self, request: TrainJobRequest) -> None:
        self._request = request
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def spent(self, troubles: Sequence[Trouble], watcher: Watcher) -> Trouble | None:
        """The trouble that has lasted too long, if any. A trouble that went away starts anew."""
        now = time.monotonic()
        for kind in set(self._since) - {trouble.kind for trouble in troubles}:
            del self._since[kind]
            self._told.discard(kind)
        for trouble in troubles:
            lasted = now - self._since.setdefault(trouble.kind, now)
            if lasted >= NOTICE_SECONDS and trouble.kind not in self._told:
                self._told.add(trouble.kind)
                watcher.say(f"waiting: {trouble.found}")
            starting = trouble.kind in STARTING
            allowed = self._request.start_timeout_seconds if starting else self._request.pull_timeout_seconds
            if trouble.hopeless or lasted >= allowed:
                return trouble
        return None


class _Outage:
    """An API server that restarts does not end a training of hours."""

    def __init__(self, request: TrainJobRequest, watcher: Watcher) -> None:
        self._request, self._watcher = request, watcher
        self._since: float | None = None

    @contextlib.contextmanager
    def survived(self) -> Iterator[None]:
        """Swallow that the API server does not answer, for as long as the request allows."""
        try:
            yield
            self._since = None
        except ClusterUnreachable as error:
            now = time.monotonic()
            if self._since is None:
                self._since = now
                self._watcher.say(f"{error.found}; the training goes on, asking again")
            if now - self._since >= self._request.outage_seconds:
                raise


def _others(request: TrainJobRequest, job: Object) -> list[dict[str, str]]:
    """Owners of the TrainJob besides this run."""
    own = request.owner.uid if request.owner else ""
    return [owner for owner in job["metadata"].get("ownerReferences") or [] if owner["uid"] != own]


def _let_go(request: TrainJobRequest, cluster: Cluster) -> bool:
    """Delete the TrainJob, or leave it to the other runs that own it; whether it was deleted."""
    while True:
        job = cluster.train_job(request.namespace, request.name)
        if job is None or (job["metadata"].get("labels") or {}).get(spec.STEP_LABEL) != request.step:
            return True
        others = _others(request, job)
        if not others:
            cluster.delete(job)
            return True
        if cluster.set_owners(job, others):
            return False


def _call_off(request: TrainJobRequest, cluster: Cluster, watcher: Watcher) -> None:
    """Delete the TrainJob of a cancelled run, but not of a step whose pod only has to move."""
    try:
        if _only_moved(request, cluster):
            watcher.say(f"this pod is taken from its node; TrainJob {request.name} goes on, and is found again")
        elif _let_go(request, cluster):
            watcher.say(f"cancelled: TrainJob {request.name} is deleted")
        else:
            watcher.say(f"cancelled: TrainJob {request.name} goes on for another run that waits for it")
    except TouchstoneError as error:
        watcher.say(
            f"TrainJob {request.name} could not be deleted: {error.found}; "
            f"to do: kubectl -n {request.namespace} delete trainjob {request.name}"
        )


def _only_moved(request: TrainJobRequest, cluster: Cluster) -> bool:
    """Whether this pod's end is a disruption (eviction, drain, preemption) rather than someone's wish."""
    name = this_pod()
    try:
        pod = cluster.pod(request.namespace, name) if name else None
    except TouchstoneError:
        return False
    return pod is not None and condition(pod, "DisruptionTarget") is not None
