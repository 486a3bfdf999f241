"""One visit of the doctor: from options to an exit code, leaving nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from components.contracts.errors import UsageError
from pipelines.doctor import report
from pipelines.doctor.checks import all_checks
from pipelines.doctor.schedule import Result, run_checks
from pipelines.doctor.scope import Options, Scope


def profile_name(profile: str | None, *, gpu: bool, tpu: bool) -> str:
    """The profile that the options mean together.

    Raises:
        UsageError: they mean more than one.
    """
    meant = [name for name, given in ((profile, profile), ("gpu", gpu), ("tpu", tpu)) if given and name]
    if len(set(meant)) > 1:
        raise UsageError(
            f"several profiles at once: {', '.join(meant)}",
            expected="one of --profile, --gpu and --tpu (the tpu profile generates on a GPU and checks both pools)",
            remedy="touchstone doctor --tpu",
        )
    return meant[0] if meant else "cpu"


def examine(options: Options, *, as_json: bool) -> int:
    """Run every check, print what was found on stdout, and give the exit code: 1 when something failed."""
    scope = Scope(options)
    checks = all_checks(options.pod_seconds)
    progress = Console(stderr=True)
    try:
        with _sigterm_as_interrupt(), progress.status("asking the cluster") as status:
            left = len(checks)

            def announce(result: Result) -> None:
                nonlocal left
                left -= 1
                status.update(f"{left} checks to go (last: {result.check})")

            results = run_checks(checks, scope, announce)
    finally:
        for path in scope.probes.close():
            click.echo(f"could not remove {path}: kubectl delete --raw {path}", err=True)
    if as_json:
        click.echo(report.as_json(results, options.namespace))
    else:
        report.print_report(results, report.terminal())
    return 1 if report.anything_failed(results) else 0


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    # Python ends on SIGTERM without running `finally`, and the probe pods would stay.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
