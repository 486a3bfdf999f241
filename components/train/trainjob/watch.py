"""Looking at a TrainJob again and again: its events and the chief's log go to a stream, what ended is remembered."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from components.train.trainjob.cluster import Cluster, Object
from components.train.trainjob.pod_reasons import endings, statuses
from components.train.trainjob.trouble import Trouble

LAST_LINES = 20
ATTACHED_LINES = 100
"""How much of the log is told again by a step that found its TrainJob running."""
CLOCK_SLACK_SECONDS = 5
MARK = "[trainjob]"
REPLICATED_JOB = "jobset.sigs.k8s.io/replicatedjob-name"
INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Sight:
    """A TrainJob and what belongs to it, at one moment."""

    job: Object
    """The TrainJob."""
    pods: Sequence[Object]
    """Its pods, those that are gone included where they were seen to end badly."""
    events: Sequence[Object]
    """Events of all of them."""


class Watcher:
    """Tells what is new since the last look.

    Args:
        cluster: Where to look.
        namespace: Of the TrainJob.
        name: Of the TrainJob.
        stream: Where events and log lines go.
        attached: Whether the TrainJob was there before; then only the log's end is told.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str, stream: TextIO, *, attached: bool = False) -> None:
        self._cluster, self._namespace, self._name, self._stream = cluster, namespace, name, stream
        self._told: set[tuple[str, ...]] = set()
        self._ended: dict[str, Object] = {}
        self._lines: dict[tuple[str, str], list[str]] = {}
        self._log: _ChiefLog | None = None
        self._tail = ATTACHED_LINES if attached else None

    def look(self) -> Sight | None:
        """See everything once and tell what is new; None when the TrainJob is gone.

        Raises:
            TouchstoneError: the cluster refuses or does not answer.
        """
        job = self._cluster.train_job(self._namespace, self._name)
        if job is None:
            return None
        pods = self._cluster.pods(self._namespace, self._name)
        events = self._cluster.events(self._namespace, self._name)
        for event in events:
            self._tell(event)
        self._follow(pods)
        for pod in pods:
            self._remember(pod)
        present = {pod["metadata"]["name"] for pod in pods}
        gone = [pod for name, pod in self._ended.items() if name not in present]
        return Sight(job, [*gone, *pods], events)

    def say(self, text: str) -> None:
        """Write a line of our own."""
        self._stream.write(f"{MARK} {text}\n")
        self._stream.flush()

    def last_lines(self, trouble: Trouble) -> list[str]:
        """What the container that `trouble` is about wrote last, 20 lines at most."""
        return self._lines.get((trouble.pod, trouble.container), [])

    def _tell(self, event: Object) -> None:
        about = event["involvedObject"]
        key = tuple(str(part) for part in (about.get("uid"), event.get("reason"), event.get("message")))
        if key in self._told:
            return
        self._told.add(key)
        what = f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
        self.say(f"{event.get('type', '')} {event.get('reason', '')} {what}: {event.get('message', '')}")

    def _follow(self, pods: Sequence[Object]) -> None:
        chief = chief_of(pods)
        if chief is None or not chief.get("status", {}).get("containerStatuses"):
            return
        name = str(chief["metadata"]["name"])
        if self._log is None or self._log.pod != name:
            self._log = _ChiefLog(self._cluster, self._namespace, name, training_container(chief), self._tail)
        for line in self._log.news():
            self._stream.write(line + "\n")
        self._stream.flush()

    def _remember(self, pod: Object) -> None:
        name = str(pod["metadata"]["name"])
        for trouble in endings(self._name, [pod]):
            self._ended[name] = pod
            place = (name, trouble.container)
            if trouble.container and place not in self._lines:
                self.say(trouble.found)
                self._lines[place] = self._tail_of(pod, trouble.container)

    def _tail_of(self, pod: Object, container: str) -> list[str]:
        name = str(pod["metadata"]["name"])
        status = next(s for s in statuses(pod) if s["name"] == container)
        running_again = not (status.get("state") or {}).get("terminated")
        lines = self._cluster.log(self._namespace, name, container, tail=LAST_LINES, previous=running_again)
        if lines:
            return [_split(line)[1] for line in lines]
        # The kubelet keeps a message, or the log's end, in the status: the log may be gone with its node.
        ended = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
        return str(ended.get("message") or "").splitlines()[-LAST_LINES:]


def chief_of(pods: Sequence[Object]) -> Object | None:
    """The pod whose log tells of the training: the MPI launcher, or the node with index 0; the newest of them."""

    def rank(pod: Object) -> tuple[bool, bool, str]:
        labels = pod["metadata"].get("labels") or {}
        first = labels.get(INDEX, "0") == "0"
        return first, labels.get(REPLICATED_JOB) == "launcher", str(pod["metadata"].get("creationTimestamp", ""))

    return max(pods, key=rank, default=None)


def training_container(pod: Object) -> str:
    """The container that trains: the Trainer calls it node."""
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    return "node" if "node" in names else names[0]


class _ChiefLog:
    """A container's log, read in pieces: no connection is held that could break."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, container: str, tail: int | None) -> None:
        self.pod = pod
        self._cluster, self._namespace, self._container, self._tail = cluster, namespace, container, tail
        self._asked: float | None = None
        self._latest, self._at_latest = "", 0

    def news(self) -> list[str]:
        """Lines written since the last call."""
        asked, began = self._asked, time.monotonic()
        since = None if asked is None else math.ceil(began - asked) + CLOCK_SLACK_SECONDS
        tail = self._tail if asked is None else None
        lines = self._cluster.log(self._namespace, self.pod, self._container, since_seconds=since, tail=tail)
        self._asked = began if lines or asked is not None else None
        return list(self._unseen(lines))

    def _unseen(self, lines: Sequence[str]) -> list[str]:
        fresh: deque[str] = deque()
        same = 0
        for line in lines:
            stamp, text = _split(line)
            if stamp < self._latest:
                continue
            if stamp > self._latest:
                self._latest, self._at_latest, same = stamp, 0, 0
            same += 1
            if same > self._at_latest:
                self._at_latest = same
                fresh.append(text)
        return list(fresh)


def _split(line: str) -> tuple[str, str]:
    # A fraction is written without its trailing zeros: with the Z behind it, .12Z would sort after .123Z.
    stamp, _, text = line.partition(" ")
    return stamp.rstrip("Z"), text
