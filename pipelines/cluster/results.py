"""The report of a finished run, found in the object store by the run's id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from components.contracts import environment
from components.contracts.errors import TouchstoneError, UsageError

COMPARISONS = ("report-compare-", "report-compare_cells-")
VERDICT = "report-report-"
"""Entries that hold what a person opens: arms or cells side by side, or a single verdict."""
PAGES = ("study.html", "sweep.html", "report.html")


def fetch_report(run_id: str, out: Path) -> Path:
    """Copy the report of a run into `out`; gives the page to open.

    Raises:
        UsageError: no object store is named in the environment.
        TouchstoneError: the store cannot be read, or the run has made no report yet.
    """
    address = environment.step_store()
    if not isinstance(address, str):
        raise UsageError(
            "no object store is named",
            expected=f"{environment.STORE}=s3://BUCKET/PREFIX, TOUCHSTONE_S3_ENDPOINT and credentials, as in the "
            "ConfigMap touchstone and the Secret touchstone-s3",
            remedy="export them after: kubectl port-forward svc/touchstone-minio 9000:9000",
        )
    from components.contracts.object_store import open_store

    store = open_store(address)
    records = [json.loads(store.read_bytes(key)) for key in sorted(store.keys(f"runs/{run_id}/"))]
    found = [record for record in records if record["entry"].startswith(COMPARISONS)]
    found = found or [record for record in records if record["entry"].startswith(VERDICT)]
    # Several verdicts without their comparison: the run's last step has yet to come.
    if len(found) == 1:
        store.download(f"steps/{found[0]['entry']}/{found[0]['outputs'][0]}", out)
        return next(_pages(out))
    raise TouchstoneError(
        f"{address} knows no report of run {run_id}" + (f" ({len(records)} other steps)" if records else ""),
        expected="a run whose last step has finished, on a cluster where the ConfigMap touchstone names this store",
        remedy=f"touchstone status {run_id}",
    )


def _pages(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in PAGES if (folder / name).is_file())
