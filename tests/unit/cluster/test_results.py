"""A run's report, found in the object store by what its steps remembered."""

from pathlib import Path

import pytest

from components.contracts import environment
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.object_store import open_store
from components.contracts.ports import Output, Report
from pipelines.cluster.results import fetch_report


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    place = f"file://{tmp_path / 'objects'}"
    monkeypatch.setenv(environment.STORE, place)
    return place


def remember(address: str, folder: Path, entry: str, output: str, page: str) -> None:
    made: Output[Report] = Output(folder / entry, Report)
    (made.folder / page).write_text(entry)
    made.commit()
    store = open_store(address)
    store.upload(folder / entry, f"steps/{entry}/{output}")
    store.write_bytes(f"runs/run-1/{entry}.json", f'{{"entry": "{entry}", "outputs": ["{output}"]}}'.encode())


def test_the_comparison_of_the_arms_is_what_a_person_opens(tmp_path: Path, address: str) -> None:
    remember(address, tmp_path, "report-report-broad-1", "result", "report.html")
    remember(address, tmp_path, "report-report-local-2", "result", "report.html")
    remember(address, tmp_path, "report-compare-3", "study", "study.html")
    page = fetch_report("run-1", tmp_path / "out")
    assert page == tmp_path / "out" / "study.html"
    assert page.read_text() == "report-compare-3"


def test_a_sweep_opens_on_its_cells(address: str, tmp_path: Path) -> None:
    remember(address, tmp_path, "report-report-one-1", "result", "report.html")
    remember(address, tmp_path, "report-compare_cells-4", "study", "sweep.html")
    assert fetch_report("run-1", tmp_path / "out").read_text() == "report-compare_cells-4"


def test_a_single_verdict_is_enough(tmp_path: Path, address: str) -> None:
    remember(address, tmp_path, "report-report-one-1", "result", "report.html")
    assert fetch_report("run-1", tmp_path / "out").read_text() == "report-report-one-1"


def test_arms_whose_comparison_is_still_to_come_are_no_report(tmp_path: Path, address: str) -> None:
    remember(address, tmp_path, "report-report-broad-1", "result", "report.html")
    remember(address, tmp_path, "report-report-local-2", "result", "report.html")
    with pytest.raises(TouchstoneError, match="no report of run run-1") as raised:
        fetch_report("run-1", tmp_path / "out")
    assert "touchstone status run-1" in raised.value.remedy


def test_a_folder_is_no_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.STORE, str(tmp_path))
    with pytest.raises(UsageError, match="no object store is named"):
        fetch_report("run-1", tmp_path / "out")
