"""`touchstone data validate`: what a person types, reads and gets back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.contracts import manifest
from components.contracts.data_rows import Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import GateNotPassed, TouchstoneError, UsageError
from components.contracts.ports import write_rows
from components.contracts.rows import Prompt, TaskItem
from pipelines.cli.data_validate import validate
from pipelines.data.artifacts import folder_of
from pipelines.data.validation import read_extra
from tests.unit.validate.data_for_tests import GOOD, HELDOUT, ITEM, NEIGHBOURS, OVERLAP, dialogue

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_(constants|parse)' is deprecated:DeprecationWarning")


@pytest.fixture
def given(tmp_path: Path) -> Path:
    write_rows(tmp_path / "in" / "dialogues", Dialogue, GOOD)
    write_rows(tmp_path / "in" / "removed", Removal, [Removal(id="x", reason="language")])
    write_rows(tmp_path / "items", TaskItem, [ITEM])
    write_rows(tmp_path / "heldout", Prompt, [HELDOUT])
    write_rows(tmp_path / "near" / "overlap", Overlap, OVERLAP)
    write_rows(tmp_path / "near" / "neighbours", QueryNeighbour, NEIGHBOURS)
    return tmp_path


def command(folder: Path, *more: object) -> None:
    arguments = ["--train", folder / "in", "--items", folder / "items", "--heldout", folder / "heldout"]
    arguments += ["--overlap", folder / "near", "--out", folder / "out", *more]
    validate.main(list(map(str, arguments)), standalone_mode=False)


@pytest.mark.slow
def test_everything_is_found_and_printed_and_a_closed_gate_takes_the_old_data_away(
    given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(given, "--json", "--name", "mine")
    said = json.loads(capsys.readouterr().out)
    assert said["gate"] == "pass"
    assert all(check["passed"] for check in said["checks"])
    assert (said["figures"]["name"], said["figures"]["removed"]) == ("mine", {"language": 1})
    assert said["figures"]["diversity_bleu"] == 10
    assert (given / "out" / "checked" / manifest.FILE_NAME).is_file()

    write_rows(given / "in" / "dialogues", Dialogue, [*GOOD, dialogue("bad", "hi", turns="u")])
    with pytest.raises(GateNotPassed, match="bad") as caught:
        command(given)
    shown = capsys.readouterr().out
    assert "error    user and assistant alternate, user first, assistant last: 1 of 41" in shown
    assert "gate not passed: 41 dialogues" in shown
    assert str(given / "out" / "docs" / "index.html") in caught.value.remedy
    assert not (given / "out" / "checked").exists()
    assert sorted(path.name for path in (given / "out").iterdir()) == ["checks", "docs", "figures"]


def test_benchmarks_and_prompts_may_be_files(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (given / "quiz.jsonl").write_text('{"question": "What is thing number 0?", "answer": ["x"]}\n')
    (given / "prompts.jsonl").write_text('{"id": "p", "prompt": "write a poem about thing 1"}\n')
    more = ["--items", f"mine={given / 'quiz.jsonl'}", "--heldout", given / "prompts.jsonl"]
    with pytest.raises(GateNotPassed, match="repeat a held-out prompt or test question: 2 of 40"):
        command(given, *more)
    assert "d00" in (given / "out" / "checks" / "rows.jsonl").read_text()


def test_a_wrong_input_leaves_what_an_earlier_run_made(given: Path) -> None:
    write_rows(given / "out" / "checked", Dialogue, GOOD)
    before = (given / "out" / "checked" / manifest.FILE_NAME).read_bytes()
    (given / "in" / "dialogues" / "rows.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(TouchstoneError, match="was changed after it was written"):
        command(given)
    assert (given / "out" / "checked" / manifest.FILE_NAME).read_bytes() == before
    assert [path.name for path in (given / "out").iterdir()] == ["checked"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--policy", "studdy"], "cannot read policy studdy"),
        (["--overlap", "nowhere"], "nowhere does not exist"),
        (["--review", "{}/items"], "holds no CategoryReview rows"),
        (["--extra", "{}/nothing.yaml"], "nothing.yaml does not exist"),
    ],
)
def test_a_wrong_option_says_what_is_wrong(given: Path, more: list[str], message: str) -> None:
    with pytest.raises(TouchstoneError, match=message):
        command(given, *(part.format(given) for part in more))


@pytest.mark.parametrize("text", ["", "a: 1", "expectations: 3", "- just words", "[1, 2]"])
def test_an_extra_suite_that_is_none_is_a_usage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "suite.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"suite.yaml holds"):
        read_extra(tmp_path / "suite.yaml")


def test_an_extra_suite_is_a_list_or_under_its_key(tmp_path: Path) -> None:
    one = "{name: mine, kind: ExpectColumnValuesToBeUnique, column: id}"
    for text in (f"- {one}", f"expectations: [{one}]"):
        (tmp_path / "suite.yaml").write_text(text)
        assert [found["column"] for found in read_extra(tmp_path / "suite.yaml")] == ["id"]


def test_an_artifact_is_named_by_its_folder_or_the_one_above(given: Path) -> None:
    assert folder_of(given / "in", Dialogue) == folder_of(given / "in" / "dialogues", Dialogue)
    write_rows(given / "in" / "more", Dialogue, GOOD)
    with pytest.raises(TouchstoneError, match="several artifacts of Dialogue: dialogues, more"):
        folder_of(given / "in", Dialogue)
    with pytest.raises(TouchstoneError, match="holds no Prompt rows"):
        folder_of(given / "in", Prompt)
    with pytest.raises(UsageError, match="is a file"):
        folder_of(given / "in" / "dialogues" / "rows.jsonl", Dialogue)


def test_a_persons_folder_called_docs_is_not_replaced(given: Path) -> None:
    (given / "docs").mkdir()
    (given / "docs" / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match=r"docs holds thesis\.tex"):
        command(given, "--out", given)
    assert (given / "docs" / "thesis.tex").read_text() == "precious"
    assert not (given / "checks").exists()
