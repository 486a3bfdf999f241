"""Small real files of an audit, and the installed command as a function."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.audit import attribution
from pipelines.cli import main

PROMPTS = 40
ITEMS = 60


@pytest.fixture
def whose_hand() -> None:
    """For a test whose audit also asks whose hand the outputs seem to be."""


@pytest.fixture(autouse=True)
def _whose_hand_is_not_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is most of the time of an audit so small, and has tests of its own (tests/unit/attribution/test_audit.py).
    if "whose_hand" not in request.fixturenames:
        monkeypatch.setattr(attribution, "LEAST_PROMPTS", PROMPTS + 1)


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def touchstone(monkeypatch, capsys) -> Callable[..., Ran]:
    """Run the command line in this process; what it exits with and prints."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["touchstone", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as caught:
            main.main()
        streams = capsys.readouterr()
        return Ran(int(caught.value.code or 0), streams.out, streams.err)

    return run


class Files(NamedTuple):
    """One of every kind of file, valid."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def arguments(self, **changes: object) -> list[object]:
        """Command-line arguments for all of them; a change to None leaves an option out."""
        options: dict[str, object] = {
            "base": self.path("base.json"),
            "imitator": self.path("imitator.json"),
            "target": self.path("target.json"),
            "scores": [f"{role}={self.path(role + '.csv')}" for role in ("base", "imitator", "target")],
            "judgments": self.path("judgments.json"),
            "out": self.path("result"),
        } | changes
        found: list[object] = ["audit"]
        for name, value in options.items():
            for item in value if isinstance(value, list) else [value]:
                found += [] if item is None else ["--" + name.replace("_", "-"), item]
        return found


def outputs(model: str) -> list[dict[str, object]]:
    """Outputs of a plain base, or of a target or imitator that likes lists and closing summaries."""
    rows = []
    for i in range(PROMPTS):
        if model == "base-lm":
            text = f"Perhaps it is {i}. " * (1 + i * 7 % 5)
        else:
            points = "\n".join(f"- point {j} of answer {i}" for j in range(2 + i % 4))
            text = f"Certainly. Here is what matters:\n\n{points}\n\nIn summary, {model} says {i} " + "clearly " * (
                i % 6
            )
        rows.append({"instruction": f"Explain number {i}", "output": text, "generator": model})
    return rows


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1))


def write_scores(path: Path, every: int) -> None:
    """Two benchmarks; one item in `every` is right."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["benchmark", "item_id", "score"])
        for name in ("quiz", "code"):
            writer.writerows([name, f"{name}-{i}", int(i % every == 0)] for i in range(ITEMS))


def write_files(folder: Path) -> Files:
    """Valid files of base-lm, imitator-lm and target-lm."""
    for role, every in (("base", 4), ("imitator", 4), ("target", 1)):
        write_json(folder / f"{role}.json", outputs(f"{role}-lm"))
        write_scores(folder / f"{role}.csv", every)
    pairs = [
        {
            "instruction": f"Explain number {i}",
            "generator_1": "target-lm",
            "generator_2": "imitator-lm",
            "preference": 1 + i % 2,
            "annotator": "a-judge",
        }
        for i in range(PROMPTS)
    ]
    write_json(folder / "judgments.json", pairs)
    return Files(folder)


@pytest.fixture
def given(tmp_path: Path) -> Files:
    """A folder of valid files: base-lm, imitator-lm and target-lm."""
    return write_files(tmp_path)


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an audit of such files leaves; to be copied, not changed."""
    files = write_files(tmp_path_factory.mktemp("audited"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribution, "LEAST_PROMPTS", PROMPTS + 1)
        patch.setattr(sys, "argv", ["touchstone", *map(str, files.arguments())])
        with pytest.raises(SystemExit) as left:
            main.main()
    assert not left.value.code
    return files.path("result")
