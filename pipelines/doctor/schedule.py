"""Runs checks side by side: each after those it needs, each within its deadline, none able to stop another."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.doctor.api import ApiProblem
from pipelines.doctor.finding import Finding, Status, failed, skipped, warning
from pipelines.doctor.scope import Scope


@dataclass(frozen=True)
class Check:
    """One question to the cluster."""

    name: str
    """As it stands in the table."""
    ask: Callable[[Scope], list[Finding]]
    """May raise; that is then the finding."""
    needs: tuple[str, ...] = ()
    """Checks without whose success this one means nothing."""
    seconds: float = 12.0
    """Deadline, from its own start."""


@dataclass(frozen=True)
class Result:
    """What one check gave."""

    check: str
    """Its name."""
    findings: tuple[Finding, ...]
    """At least one."""
    seconds: float
    """How long it took; 0 when it was skipped."""

    @property
    def usable(self) -> bool:
        """Whether checks that need this one make sense."""
        return all(finding.status in (Status.OK, Status.WARNING) for finding in self.findings)


def run_checks(
    checks: Sequence[Check], scope: Scope, announce: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """Run every check; gives their results in the order of `checks`.

    Args:
        checks: In an order in which each stands after those it needs.
        scope: What they look at.
        announce: Called with every result as it comes, from this thread.
    """
    done: dict[str, Result] = {}
    running: dict[str, float] = {}
    answers: queue.Queue[Result] = queue.Queue()
    by_name = {check.name: check for check in checks}
    assert all(need in by_name for check in checks for need in check.needs), "a check needs one that does not exist"

    def settle(result: Result) -> None:
        # An answer after the deadline is too late.
        if result.check not in done:
            running.pop(result.check, None)
            done[result.check] = result
            announce(result)

    while len(done) < len(checks):
        for check in checks:
            if check.name in done or check.name in running or not all(need in done for need in check.needs):
                continue
            reason = _why_not(check, done)
            if reason:
                settle(Result(check.name, (skipped(reason),), 0.0))
            else:
                running[check.name] = time.monotonic()
                # Daemons: a check that hangs must not keep the command from ending.
                threading.Thread(target=_ask, args=(check, scope, answers), name=check.name, daemon=True).start()
        if not running:
            continue
        ends = min(began + by_name[name].seconds for name, began in running.items())
        try:
            settle(answers.get(timeout=max(0.0, ends - time.monotonic())))
        except queue.Empty:
            for name, began in list(running.items()):
                if time.monotonic() >= began + by_name[name].seconds:
                    settle(_too_late(by_name[name]))
    return [done[check.name] for check in checks]


def _why_not(check: Check, done: Mapping[str, Result]) -> str:
    for need in check.needs:
        result = done[need]
        if not result.usable:
            reasons = [f.found for f in result.findings if f.status is Status.SKIPPED]
            return reasons[0] if reasons else f"waits for: {need}"
    return ""


def _ask(check: Check, scope: Scope, answers: queue.Queue[Result]) -> None:
    began = time.monotonic()
    try:
        findings = check.ask(scope)
    except ApiProblem as problem:
        findings = [_problem(problem)]
    # Anything else is a defect of the check: it is told as such, and the others go on.
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        findings = [
            failed(
                f"the check itself broke: {type(error).__name__}: {error} ({where})",
                expected="an answer",
                remedy="report this with the output of: touchstone doctor --json",
            )
        ]
    answers.put(Result(check.name, tuple(findings), time.monotonic() - began))


def _problem(problem: ApiProblem) -> Finding:
    if problem.status == 403:
        return warning(
            f"you may not ask this: {problem.message}",
            expected="the right to read it; whether a run would work is not known",
            remedy="let a cluster administrator run: touchstone doctor",
        )
    how = f"answered {problem.status}" if problem.status else "did not answer"
    return failed(
        f"the API server {how} ({problem.request}): {problem.message}",
        expected="an answer",
        remedy="kubectl get --raw /readyz?verbose",
    )


def _too_late(check: Check) -> Result:
    finding = failed(
        f"no answer within {check.seconds:g} s",
        expected="an answer in time",
        remedy="touchstone doctor once more; if it stays, kubectl get --raw /readyz?verbose",
    )
    return Result(check.name, (finding,), check.seconds)
