"""A takedown names every subset and checkpoint that contains a dialogue, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.object_store import FileStore
from components.contracts.ports import Checkpoint, Output, Provenance, write_rows
from components.contracts.rows import Prompt, Turn
from components.ingest.step import subset
from pipelines.cli.data_takedown import takedown
from pipelines.data.takedown import Search, search

TRAIN = "components.train.step:train"


def _dialogues(num: int) -> list[Dialogue]:
    turns = [(Turn(speaker="user", text=f"q{n}"), Turn(speaker="assistant", text="one two three")) for n in range(num)]
    return [Dialogue(id=f'd"{n}', source="s", target="t", turns=pair) for n, pair in enumerate(turns)]


def _checkpoint(path: Path, parents: dict[str, str]) -> str:
    output = Output(path, Checkpoint, Provenance(step=TRAIN, parents=parents))
    (output.folder / "weights").write_text(path.name)
    return output.commit().digest


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Data in two subsets, a base, an imitator of each subset, and a model tuned on from the larger one."""
    root = tmp_path / "runs"
    rows = _dialogues(40)
    write_rows(root / "all" / "dialogues", Dialogue, rows)
    for name, size in (("small", 30), ("large", 90)):
        ports = {"subset": root / name / "dialogues", "outside": root / name / "outside"}
        bind.call(subset, params={"max_tokens": size}, dialogues=root / "all" / "dialogues", **ports)
    base = _checkpoint(root / "base", {})
    for name in ("small", "large"):
        parents = {"dialogues": _digest(root / name / "dialogues"), "base": base}
        _checkpoint(root / name / "imitator", parents)
    _checkpoint(root / "tuned-on", {"dialogues": "0" * 64, "base": _digest(root / "large" / "imitator")})
    write_rows(root / "prompts", Prompt, [Prompt(id='d"1', text="a prompt of the same id")])
    kept_aside = [Removal(id="gone", reason="duplicate", raw="user: its text")]
    write_rows(root / "all" / "removed", Removal, kept_aside)
    return root


def _digest(folder: Path) -> str:
    from components.contracts import manifest

    return manifest.read(folder).digest


def _ids(folder: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (folder / "rows.jsonl").read_text().splitlines()]


def _places(found: Search, root: Path) -> set[tuple[str, str]]:
    return {(f.what, Path(place).relative_to(root).as_posix()) for f in found.findings for place in f.places}


def test_a_dialogue_of_the_small_subset_is_in_everything_made_of_either(runs: Path) -> None:
    found = search([_ids(runs / "small" / "dialogues")[0]], str(runs))
    assert _places(found, runs) == {
        ("subset", "all/dialogues"),
        ("subset", "small/dialogues"),
        ("subset", "large/dialogues"),
        ("checkpoint", "small/imitator"),
        ("checkpoint", "large/imitator"),
        ("checkpoint", "tuned-on"),
    }
    assert (found.nowhere, found.unread) == ((), ())
    assert found.num_artifacts == 11


def test_one_of_the_large_subset_alone_spares_the_small_one_and_every_base(runs: Path) -> None:
    name = _ids(runs / "large" / "dialogues")[-1]
    assert name not in _ids(runs / "small" / "dialogues")
    places = _places(search([name], str(runs)), runs)
    assert ("checkpoint", "tuned-on") in places
    assert not {path for _, path in places} & {"small/dialogues", "small/imitator", "base", "small/outside", "prompts"}


def test_the_way_to_a_checkpoint_is_told(runs: Path) -> None:
    found = search([_ids(runs / "large" / "dialogues")[-1]], str(runs))
    ways = {Path(f.places[0]).name: [Path(place).name for place in f.through] for f in found.findings}
    assert ways == {"dialogues": [], "imitator": ["dialogues"], "tuned-on": ["dialogues", "imitator"]}


def test_text_that_is_kept_aside_is_named(runs: Path) -> None:
    assert _places(search(["gone"], str(runs)), runs) == {("removals", "all/removed")}


def test_a_copy_is_another_place_of_the_same_artifact(runs: Path, tmp_path: Path) -> None:
    FileStore(tmp_path / "runs" / "store").upload(runs / "small" / "dialogues", "steps/subset-1/subset")
    found = search([_ids(runs / "small" / "dialogues")[0]], str(runs))
    assert ("subset", "store/steps/subset-1/subset") in _places(found, runs)


def test_an_object_store_is_searched_by_its_address(runs: Path, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    for name in ("all/dialogues", "small/dialogues", "small/imitator"):
        store.upload(runs / name, name)
    found = search([_ids(runs / "small" / "dialogues")[0]], f"file://{tmp_path / 'store'}")
    assert {place for f in found.findings for place in f.places} == {
        "all/dialogues",
        "small/dialogues",
        "small/imitator",
    }


def test_a_large_artifact_is_read_through_its_compression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.contracts.ports.COMPRESS_ABOVE_BYTES", 10)
    write_rows(tmp_path / "data", Dialogue, _dialogues(300))
    assert (tmp_path / "data" / "rows.jsonl.zst").is_file()
    assert len(search(['d"299'], str(tmp_path)).findings) == 1


def test_an_artifact_that_cannot_be_read_makes_the_answer_uncertain(runs: Path) -> None:
    (runs / "large" / "dialogues" / "rows.jsonl").unlink()
    (runs / "prompts" / "manifest.json").write_text("{}")
    done = CliRunner().invoke(takedown, [_ids(runs / "small" / "dialogues")[0], "--in", str(runs)])
    assert done.stderr.count("not read: ") == 2
    assert isinstance(done.exception, TouchstoneError)
    assert "2 artifacts" in str(done.exception)
    assert "small/imitator" in done.stdout


def test_a_dialogue_that_is_nowhere_is_an_error_that_says_how_much_was_searched(runs: Path) -> None:
    done = CliRunner().invoke(takedown, ["d", "--in", str(runs)])
    assert isinstance(done.exception, TouchstoneError)
    assert "d: in none of 11 artifacts" in str(done.exception)


@pytest.mark.parametrize("tree", ["missing", "empty"])
def test_a_folder_without_artifacts_is_refused(tmp_path: Path, tree: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TouchstoneError, match=r"no folder|no artifact"):
        search(["d1"], str(tmp_path / tree))


def test_the_command_prints_a_line_a_place_or_json(runs: Path) -> None:
    name = _ids(runs / "small" / "dialogues")[0]
    done = CliRunner().invoke(takedown, [name, "--in", str(runs)], catch_exceptions=False)
    assert done.stdout.splitlines()[-1] == "3 subsets and 3 checkpoints in 11 artifacts"
    assert f"trained on {runs / 'large' / 'dialogues'} -> {runs / 'large' / 'imitator'}" in done.stdout
    as_json = CliRunner().invoke(takedown, [name, "--in", str(runs), "--json"], catch_exceptions=False)
    assert len(json.loads(as_json.stdout)["findings"]) == 6
