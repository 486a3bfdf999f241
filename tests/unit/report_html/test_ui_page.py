"""The page that Kubeflow's UI shows is the one a person would open."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.ports import Output, Report
from components.report.ui_page import show_page


@pytest.mark.parametrize(
    ("files", "shown"), [(["report.html"], "report.html"), (["broad/report.html", "study.html"], "study.html")]
)
def test_the_main_page_of_a_report_is_copied(tmp_path: Path, files: list[str], shown: str) -> None:
    output = Output(tmp_path / "result", Report)
    folder = output.folder
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    output.commit()
    page = SimpleNamespace(path=str(tmp_path / "new" / "page"))
    show_page(SimpleNamespace(path=str(tmp_path / "result")), page)
    assert Path(page.path).read_text() == shown


def test_a_report_that_was_not_finished_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match=r"manifest\.json"):
        show_page(SimpleNamespace(path=str(tmp_path)), SimpleNamespace(path=str(tmp_path / "page")))
