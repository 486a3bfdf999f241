"""Many runs on one page: found, named, sorted, filtered without a script, and linked to where they lie."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.verdict import Verdict
from pipelines.compare.run import compare
from tests.unit.report_html.pages import EMPTY_ICON, Checker, pictures
from tests.unit.report_html.verdicts import hostile, inconclusive, local, published, style_only


def run(folder: Path, verdict: Verdict, *, page: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(verdict.model_dump_json())
    if page:
        (folder / "report.html").write_text("<p>report</p>")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    run(tmp_path / "runs" / "broad", style_only())
    run(tmp_path / "runs" / "nq" / "local", local())
    run(tmp_path / "runs" / "thin", inconclusive())
    run(tmp_path / "runs" / "printed & old", published())
    run(tmp_path / "runs" / "broad" / "rows" / "copy", style_only())
    return tmp_path / "runs"


def test_every_verdict_below_a_folder_is_found_once_and_sorted(runs: Path, tmp_path: Path) -> None:
    entries = compare([runs, runs / "thin"], tmp_path / "out")
    assert [e.name for e in entries] == ["local", "broad", "printed & old", "thin"]
    by_style = compare([runs], tmp_path / "out", order="style")
    assert [e.name for e in by_style] == ["broad", "printed & old", "local", "thin"], "no closeness comes last"
    record = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [e["verdict"]["verdict"] for e in record["entries"]] == [e.verdict.verdict for e in by_style]


def test_links_lead_to_the_reports_where_they_lie(runs: Path, tmp_path: Path) -> None:
    run(tmp_path / "bare", style_only(), page=False)
    compare([runs, tmp_path / "bare"], tmp_path / "deep" / "out")
    found = Checker((tmp_path / "deep" / "out" / "compare.html").read_text())
    links = {ref for ref in found.references if ".." in ref}
    assert len(links) == 5
    assert all((tmp_path / "deep" / "out" / unquote(link)).is_file() for link in links)
    assert "../../bare/verdict.json" in links


def test_the_page_is_well_formed_and_filters_without_a_script(runs: Path, tmp_path: Path) -> None:
    compare([runs], tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    found = Checker(page)
    assert found.misnested == []
    assert "script" not in found.tags
    assert [ref for ref in found.references if re.match(r"^[a-z]+:", ref)] == [EMPTY_ICON]
    assert pictures(page)
    shown = re.findall(r'id="show-([A-Z_]+)" checked', page)
    assert shown == ["LOCAL", "STYLE_ONLY", "INCONCLUSIVE"]
    for word in shown:
        assert f"body:has(#show-{word}:not(:checked)) .run.{word}" in page
        assert f'<tr class="run {word}">' in page


def test_what_makes_runs_hard_to_compare_is_said(runs: Path, tmp_path: Path) -> None:
    other = style_only().model_dump()
    other["policy"] = {"name": "research", "digest": "0" * 64}
    other["provenance"]["models"] = {"base": "b", "imitator": "i", "target": "another"}
    run(tmp_path / "other", Verdict.model_validate(other))
    compare([runs, tmp_path / "other"], tmp_path / "out")
    visible = Checker((tmp_path / "out" / "compare.html").read_text()).visible
    assert "decided by different rules (research and study)" in visible
    assert "Not one target but 2: ChatGPT (4) and another (1)" in visible
    assert "no interval here allows for having chosen" in visible
    assert "decided by different rules" in (tmp_path / "out" / "compare.md").read_text()


def test_what_is_taken_for_the_target_has_a_column_where_somebody_asked(runs: Path, tmp_path: Path) -> None:
    compare([runs], tmp_path / "before")
    assert "Taken for the target" not in (tmp_path / "before" / "compare.html").read_text()
    taken = {"share": 0.83, "ci": (0.81, 0.86), "n": 803, "unscored": 0}
    told = {"accuracy": 0.81, "ci": (0.8, 0.83), "n": 1600, "chance": 0.5}
    by = {"classifier": "surface", "imitator": taken, "base": None, "target": None, "target_second": None}
    asked = {**style_only().model_dump(), "attribution": {"classifiers": [{**by, "base_or_target": told}]}}
    run(tmp_path / "asked", Verdict.model_validate(asked))
    compare([runs, tmp_path / "asked"], tmp_path / "out")
    visible = Checker((tmp_path / "out" / "compare.html").read_text()).visible
    assert "83.0%" in visible
    assert "nobody was asked" in visible


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    places = [run(tmp_path / seed / "audit", style_only()) for seed in ("seed-0", "seed-1")]
    assert [e.name for e in compare(places, tmp_path / "out")] == ["seed-0/audit", "seed-1/audit"]


def test_names_from_users_are_escaped(tmp_path: Path) -> None:
    run(tmp_path / '<img src=x> "&', hostile())
    compare([tmp_path / '<img src=x> "&'], tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "<script>" not in page
    assert "<img" not in page
    assert "<script>" not in (tmp_path / "out" / "compare.md").read_text()


def test_a_hundred_runs_stay_a_page(tmp_path: Path) -> None:
    for i in range(100):
        run(tmp_path / "runs" / f"run-{i:03}", (style_only, local, inconclusive)[i % 3]())
    compare([tmp_path / "runs"], tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    assert len(page) < 400_000
    assert "The first 12 runs." in Checker(page).visible
    assert page.count('<tr class="run') == 100


def test_bad_places_are_refused_and_nothing_is_written(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(UsageError):
            compare([folder], tmp_path / "out")
    (runs / "thin" / "verdict.json").write_text('{"verdict": "MAYBE"}')
    with pytest.raises(TouchstoneError, match=r"thin/verdict\.json"):
        compare([runs], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="holds"):
        compare([runs / "broad"], runs)
