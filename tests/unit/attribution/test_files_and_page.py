"""Files of texts, the answers of a comparison, and the page."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.attribution.step import prepare_attribution
from components.contracts import bind
from components.contracts.attribution_rows import Attribution, AuthoredText, MapPoint
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion
from components.report.attribution_page import render_attribution_html
from components.report.figures.attribution import map_figure
from pipelines.attribution.models import given_model
from pipelines.attribution.sources import read_texts
from pipelines.cli.attribution import attribution
from tests.unit.attribution.writers import tell, written


def lines(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def completions(folder: Path, role: str, prompts: range, **changes: object) -> Path:
    rows = [Completion(prompt_id=str(i), model=role, text=written("base", i).text) for i in prompts]
    rows[0] = rows[0].model_copy(update=changes)
    write_rows(folder / role, Completion, rows)
    return folder / role


def test_a_text_on_both_sides_is_learned_from_and_not_asked_about(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "texts.jsonl",
        [
            {"author": "a", "text": "one  two", "split": "test"},
            {"author": "a", "text": "one two\n", "split": "train"},
            {"speaker": "b", "text": "three", "split": "test", "year": 1901},
        ],
    )
    first, second, third = read_texts(path)
    assert first.missing is not None
    assert second.id in first.missing
    assert (second.missing, third.missing, third.order) == (None, None, 1901.0)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"text": "no name"}, "line 2.*there is no author"),
        ({"author": "a", "text": 7}, "line 2.*there is no text"),
        ({"author": "a", "text": "t", "split": "dev"}, "split is 'dev'"),
        ({"author": "a", "text": "t", "id": "x"}, "a text with the id x came before"),
    ],
)
def test_a_bad_record_is_named_by_its_line(tmp_path: Path, record: dict[str, object], told: str) -> None:
    path = lines(tmp_path / "texts.jsonl", [{"author": "a", "text": "fine", "id": "x"}, record])
    with pytest.raises(TouchstoneError, match=told):
        read_texts(path)


def test_answers_to_prompts_that_all_three_answered_become_texts(tmp_path: Path) -> None:
    ports = {
        "base": completions(tmp_path, "base", range(6), text="", unanswered="refused"),
        "imitator": completions(tmp_path, "imitator", range(1, 7)),
        "target": completions(tmp_path, "target", range(9)),
        "target_second": completions(tmp_path, "target_second", range(3)),
    }
    bind.call(prepare_attribution, params={}, texts=tmp_path / "texts", **ports)
    rows = Input(tmp_path / "texts", AuthoredText).rows()
    groups = {role: {row.group for row in rows if row.author == role} for role in ports}
    assert groups["base"] == groups["imitator"] == groups["target"] == set("12345")
    assert groups["target_second"] == {"1", "2"}


def test_an_answer_that_is_not_there_keeps_its_reason(tmp_path: Path) -> None:
    ports = {role: completions(tmp_path, role, range(4)) for role in ("imitator", "target")}
    ports["base"] = completions(tmp_path, "base", range(4), text="", unanswered="refused")
    bind.call(prepare_attribution, params={}, texts=tmp_path / "texts", **ports)
    rows = {row.id: row for row in Input(tmp_path / "texts", AuthoredText).iter_rows()}
    assert rows["base/0"].missing == "refused"
    assert rows["target/0"].missing is None


def test_models_without_a_prompt_in_common_are_refused(tmp_path: Path) -> None:
    ports = {
        "base": completions(tmp_path, "base", range(3)),
        "imitator": completions(tmp_path, "imitator", range(3, 6)),
    }
    ports["target"] = completions(tmp_path, "target", range(3))
    with pytest.raises(TouchstoneError, match="no prompt in common"):
        bind.call(prepare_attribution, params={}, texts=tmp_path / "texts", **ports)


def test_a_model_is_a_folder_or_a_repository_with_its_commit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gpt2 is no folder, and as a repository on the Hub it has no revision"):
        given_model("gpt2", tmp_path)
    with pytest.raises(UsageError, match="no pinned revision"):
        given_model("gpt2@main", tmp_path)


@pytest.mark.slow
def test_the_command_tells_authors_apart_and_writes_a_page(tmp_path: Path) -> None:
    records = [{"author": f"<{name}>", "text": written(name, i).text} for name in ("base", "target") for i in range(20)]
    path = lines(tmp_path / "texts.jsonl", records)
    done = CliRunner().invoke(attribution, ["texts", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "40 texts by 2 authors" in done.stdout
    page = (tmp_path / "out" / "attribution.html").read_text()
    assert "&lt;base&gt;" in page
    assert "<base>" not in page


def test_the_page_of_a_comparison_says_what_was_taken_for_the_targets(tmp_path: Path) -> None:
    roles = ("base", "target", "imitator")
    texts = [written(role, i, habit="target" if role == "imitator" else None) for role in roles for i in range(30)]
    told = tell(tmp_path, texts, candidates=("base", "target"), classifiers=["frequent_words", "majority"])
    page = render_attribution_html(told.rows, title="Whose answer is this?")
    row = next(row for row in told.rows if (row.classifier, row.author) == ("frequent_words", "imitator"))
    share = row.to("target")
    assert share is not None
    assert f"{100 * share.share:.1f}%" in page
    assert "Answers taken for the target" in page
    assert "<script" not in page


def test_a_map_draws_some_of_very_many_texts_and_says_so() -> None:
    points = [MapPoint(id=str(i), author=str(i % 7), x=i % 50, y=i // 50, order=i) for i in range(2000)]
    drawn = map_figure(points)
    assert drawn.count("<circle") == 2 * (1500 + 2)
    assert "1,500 of 2,000 texts by 7 authors" in drawn
    assert map_figure([]) == ""


def test_an_attribution_names_the_share_of_an_author() -> None:
    row = Attribution.model_validate(
        {
            **{"classifier": "surface", "author": "imitator", "learned": False, "num_texts": 4, "unscored": 0},
            **{"accuracy": 0.5, "accuracy_ci": (0.2, 0.8), "num_tested": 8, "chance": 0.5},
            **{"resampled": "group", "folds": 5},
            "shares": [{"author": "target", "share": 0.75, "ci": (0.4, 0.9)}],
        }
    )
    share = row.to("target")
    assert share is not None
    assert share.share == 0.75
    assert row.to("somebody else") is None
