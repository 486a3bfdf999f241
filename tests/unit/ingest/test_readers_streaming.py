"""Dumps as artifacts, and reading them in bounded memory, in order, to the last record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Output
from components.ingest import dumps
from components.ingest.dumps import Dump, open_dump, write_dump
from components.ingest.reading import known_ids, readers
from components.ingest.reading.readers import read_dump
from components.ingest.reading.sources import DumpSource
from components.ingest.reading.tally import watching

TALK = {
    "conversations": [{"from": "human", "value": "What is it? " * 40}, {"from": "gpt", "value": "It is this. " * 80}]
}


def _jsonl(number: int) -> str:
    return json.dumps({"id": f"c{number}", **TALK}) + "\n"


def _grown(path: Path, form: str, num_bytes: int) -> Path:
    """A dump of one talk after another, up to a size."""
    with path.open("w", encoding="utf-8") as stream:
        size = number = 0
        if form == "csv":
            stream.write("prompt,response\n")
        if form == "discord":
            stream.write('{"guild": {"id": "1"}, "channel": {"id": "2"}, "messages": ')
        stream.write("[" if form in {"array", "discord"} else "")
        while size < num_bytes:
            if form == "csv":
                line = f'"{number} {"why? " * 100}","{"so. " * 200}"\n'
            elif form == "discord":
                bot = bool(number % 2)
                message = {"id": str(number), "type": "Default", "content": "text " * 100, "author": {"isBot": bot}}
                line = (",\n" if number else "") + json.dumps(message)
            else:
                line = ("," if number and form == "array" else "") + _jsonl(number)
            size += stream.write(line)
            number += 1
        stream.write("]" if form == "array" else '], "messageCount": 1}' if form == "discord" else "")
    return path


PEAK = """
import resource, sys
from pathlib import Path
from components.ingest.reading.readers import read_dump
from components.ingest.reading.sources import DumpSource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in read_dump(Path(sys.argv[1]), DumpSource()))
print(count, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "array", "csv", "discord"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    """A file of 15 MiB may take no more than 3 MiB above one of 3: its records, but not its text."""
    peaks = []
    for mib in (3, 15):
        path = _grown(tmp_path / form, form, mib << 20)
        command = [sys.executable, "-c", PEAK, str(path)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
        )
        count, _, peak = map(int, done.stdout.split())
        assert count > 100 * mib
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 3 * 1024


def test_a_dump_keeps_files_and_what_is_known_of_them_by_content(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = [tmp_path / "a" / "talks.jsonl.gz", tmp_path / "b" / "talks.jsonl.gz", tmp_path / "b" / "sources.json"]
    for number, file in enumerate(files):
        file.write_text(_jsonl(number))
    sources = [DumpSource(target="t0"), DumpSource(target="t1", name="named"), DumpSource()]
    digests = []
    for order in ((0, 1, 2), (0, 2, 1)):
        output = Output(tmp_path / f"dump{order[1]}", Dump)
        write_dump(output.folder, [files[n] for n in order], [sources[n] for n in order])
        output.commit()
        digests.append(Input(output.path, Dump).digest)
    assert digests[0] == digests[1]
    opened = open_dump(Input(tmp_path / "dump1", Dump).folder)
    assert sorted((source.name, source.target) for _, source in opened) == [
        ("named", "t1"), ("sources", "unknown"), ("talks", "t0"),
    ]  # fmt: skip
    assert sorted(path.read_text() for path, _ in opened) == sorted(_jsonl(n) for n in range(3))
    assert files[0].stat().st_nlink > 1


def test_files_are_copied_where_they_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(dumps.os, "link", refuse)
    (tmp_path / "talks").write_text(_jsonl(1))
    (tmp_path / "dump").mkdir()
    write_dump(tmp_path / "dump", [tmp_path / "talks"], [DumpSource()])
    assert (tmp_path / "dump" / "talks").read_text() == _jsonl(1)


def test_a_link_in_a_folder_of_links_leads_to_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "talks").write_text(_jsonl(1))
    (tmp_path / "link").symlink_to("talks")
    (tmp_path / "dump").mkdir()
    write_dump(tmp_path / "dump", [tmp_path / "link"], [DumpSource()])
    assert not (tmp_path / "dump" / "link").is_symlink()
    assert (tmp_path / "dump" / "link").read_text() == _jsonl(1)


@pytest.mark.parametrize(("name", "found"), [("absent", "does not exist"), (".", "is a directory")])
def test_only_files_go_into_a_dump(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "dump").mkdir()
    with pytest.raises(TouchstoneError, match=found):
        write_dump(tmp_path / "dump", [tmp_path / name], [DumpSource()])


def test_one_file_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "talks").write_text(_jsonl(1))
    (tmp_path / "dump").mkdir()
    twice = [tmp_path / "talks"] * 3
    with pytest.raises(TouchstoneError, match="is given twice"):
        write_dump(tmp_path / "dump", twice, [DumpSource()] * 3)


@pytest.mark.parametrize(
    ("content", "found"),
    [("", "sources.json"), ("{", "sources.json"), ('{"x": {"colour": 1}}', "sources.json"), ('{"x": {}}', "names x")],
)
def test_a_dump_whose_sources_are_wrong_is_an_error(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "sources.json").write_text(content)
    with pytest.raises(TouchstoneError, match=found):
        open_dump(tmp_path)


@pytest.mark.slow
def test_whoever_watches_is_told_how_far_reading_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "REPORT_EVERY", 100)
    path = _grown(tmp_path / "dump", "jsonl", 8 << 20)
    told: list[tuple[Path, int]] = []
    with watching(lambda file, num_bytes: told.append((file, num_bytes))):
        num_rows = sum(1 for _ in read_dump(path, DumpSource()))
    assert len(told) == num_rows // 100
    assert {file for file, _ in told} == {path}
    assert [num for _, num in told] == sorted(num for _, num in told)
    assert told[-1][1] > 7 << 20
    assert sum(1 for _ in read_dump(path, DumpSource())) == num_rows
    assert len(told) == num_rows // 100


@pytest.mark.parametrize("close", [lambda rows: rows.close(), lambda rows: None], ids=["closed", "dropped"])
def test_reading_can_be_left_in_the_middle(tmp_path: Path, close: Callable[[object], None]) -> None:
    rows = read_dump(_grown(tmp_path / "dump", "array", 3 << 20), DumpSource())
    assert isinstance(next(rows), Dialogue)
    close(rows)


def test_ids_are_known_wherever_they_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_ids, "FRESH_IDS", 7)
    known, expected = known_ids.KnownIds(), {}
    for number in range(2_000):
        identity = f"id {number * 7919 % 1500}"
        assert known.content(identity) == expected.get(identity)
        if identity not in expected:
            expected[identity] = (1 << 64) - 1 - number
            known.add(identity, expected[identity])
    assert [known.content(identity) for identity in expected] == list(expected.values())
    assert known.content("another") is None


def test_one_id_with_two_contents_stays_twice_whatever_the_order(tmp_path: Path) -> None:
    def rows(texts: str) -> list[tuple[str, str]]:
        path = tmp_path / "dump"
        path.write_text("".join(json.dumps({"id": "x", "prompt": t, "response": t}) + "\n" for t in texts.split()))
        found = read_dump(path, DumpSource())
        return [(row.id, row.reason if isinstance(row, Removal) else row.turns[0].text) for row in found]

    forward, backward = rows("a b a b c"), rows("c b a")
    assert [what for _, what in forward] == ["a", "b", "duplicate", "duplicate", "c"]
    assert len({name for name, what in forward if what != "duplicate"}) == 3
    suffixes = {what: name for name, what in forward}
    assert dict(map(reversed, backward))["b"] == suffixes["b"]  # type: ignore[arg-type]
