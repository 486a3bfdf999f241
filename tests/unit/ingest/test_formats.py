"""Shapes of records and containers beyond plain JSONL: older dumps, tables, data sets of the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.dialogue_rows import Dialogue, Passport, Removal
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import write_rows
from components.contracts.rows import Turn
from components.ingest.reading import columnar
from components.ingest.reading.hub import read_address, write_split
from components.ingest.reading.readers import read_dump
from components.ingest.reading.sources import DumpSource, Limits

HI = [("user", "Hi"), ("assistant", "Hello")]
SHAREGPT = {"id": "c1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
PAGE = '<div class="markdown prose w-full"><p>Hello <strong>you</strong></p></div>'


def _jsonl(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "dump.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def _read(path: Path, source: DumpSource = DumpSource(target="t")) -> list[Dialogue | Removal]:  # noqa: B008 - frozen
    return list(read_dump(path, source))


def _spoken(row: Dialogue | Removal) -> list[tuple[str, str]] | str:
    return [(turn.speaker, turn.text) for turn in row.turns] if isinstance(row, Dialogue) else row.reason


@pytest.mark.parametrize(
    ("record", "turns"),
    [
        ({"items": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "avatarUrl": "x"}, HI),
        ({"conversation": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}, HI),
        ({"conversations": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}, HI),
        ({"conversations": [{"from": "human", "text": "Hi", "markdown": None, "value": None},
                            {"from": "gpt", "markdown": "Hello", "text": "Hello text", "value": "<p>Hello</p>"}]}, HI),
        ({"conversations": [{"from": "human", "value": PAGE}, {"from": "gpt", "value": PAGE}]},
         [("user", PAGE), ("assistant", "Hello **you**")]),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": PAGE}]},
         [("user", "Hi"), ("assistant", PAGE)]),
        ({"user": "Hi", "bot": "Hello"}, HI),
        ({"human": "Hi", "assistant": "Hello", "n": 3}, HI),
        ({"human": "Question: Why? Answer: So.", "model": "Question: Why? Answer: Because."},
         [("user", "Why?"), ("assistant", "Because.")]),
        ({"human": "It was a dark and stormy night, then", "model": "It was a dark and stormy night. She"},
         [("user", "It was a dark and stormy"), ("assistant", "night. She")]),
        ({"human": "One text", "model": "Another text"}, "no_query"),
        ({"messages": [{"role": "user", "content": "Hi"},
                       {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]}, "tool_call"),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": "42"}]}, "unknown_role"),
        ({"messages": [{"role": "user", "content": "Hi", "tool_calls": None},
                       {"role": "assistant", "content": "Hello", "tool_calls": []}]}, HI),
        ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "bard", "value": "Hello"}]}, "unknown_role"),
        ({"conversations": [{"from": "human", "value": "Hi"},
                            {"from": "gpt", "value": '<div class="markdown"></div>'}]}, "empty"),
    ],
)  # fmt: skip
def test_older_and_rarer_shapes(tmp_path: Path, record: dict[str, Any], turns: list[tuple[str, str]] | str) -> None:
    assert [_spoken(row) for row in _read(_jsonl(tmp_path, record))] == [turns]


def test_the_passport_says_what_is_known_of_the_dump_and_what_was_dropped(tmp_path: Path) -> None:
    spoken = [
        ("gpt", "continued"),
        ("human", "Hi"),
        ("gpt", "Hello"),
        ("human", "and"),
        ("human", "so"),
        ("human", "bye"),
    ]
    record = {"conversations": [{"from": role, "value": text} for role, text in spoken]}
    source = DumpSource(name="S", target="t", target_date="2023-03", terms="restricted", licence="CC0-1.0")
    (row,) = _read(_jsonl(tmp_path, record), source)
    assert isinstance(row, Dialogue)
    assert (row.source, row.target) == ("S", "t")
    assert row.passport == Passport(
        target_date="2023-03", terms="restricted", licence="CC0-1.0", origin="dump.jsonl, line 1", dropped_turns=4
    )


@pytest.mark.parametrize("rows", [2, 900])
def test_our_own_rows_keep_their_passport_except_where_the_source_says_more(tmp_path: Path, rows: int) -> None:
    own = Passport(
        target_date="2022-11", terms="open", origin="old.json, item 3", language="en", redacted={"e_mail": 1}
    )
    turns = (Turn(speaker="user", text="Hi" * 10_000), Turn(speaker="assistant", text="Hello"))
    made = (Dialogue(id=f"d{n}", source="s", target="t0", turns=turns, passport=own) for n in range(rows))
    write_rows(tmp_path / "rows", Dialogue, made)
    # Above 16 MiB an artifact is zstd.
    file = next(path for path in (tmp_path / "rows").iterdir() if path.name.startswith("rows."))
    assert (file.suffix == ".zst") == (rows > 2)
    found = read_dump(file, DumpSource(target="t1", licence="MIT"))
    row = next(found)
    assert isinstance(row, Dialogue)
    assert (row.id, row.source, row.target) == ("d0", "s", "t0")
    assert row.passport == own.model_copy(update={"licence": "MIT"})
    assert sum(1 for _ in found) == rows - 1


def _table(folder: Path, kind: str) -> Path:
    table = pa.Table.from_pylist([{**SHAREGPT, "id": f"c{n}", "score": 0.5} for n in range(3_000)])
    path = folder / "dump.bin"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=700)
        return path
    opener = pa.ipc.new_file if kind == "arrow file" else pa.ipc.new_stream
    with opener(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    return path


KINDS = pytest.mark.parametrize("kind", ["parquet", "arrow file", "arrow stream"])


@pytest.mark.slow
@KINDS
def test_tables_with_nested_columns_are_read_by_batches(tmp_path: Path, kind: str) -> None:
    rows = _read(_table(tmp_path, kind))
    assert [row.id for row in rows] == [f"c{n}" for n in range(3_000)]
    assert {str(_spoken(row)) for row in rows} == {str(HI)}
    assert isinstance(rows[2_999], Dialogue)
    assert rows[2_999].passport.origin == "dump.bin, row 3000"


@KINDS
def test_a_damaged_table_is_told(tmp_path: Path, kind: str) -> None:
    path = _table(tmp_path, kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    if kind == "arrow stream":
        rows = _read(path)
        assert 0 < len(rows) < 3_000
        assert _spoken(rows[-1]) == "damaged"
    else:
        with pytest.raises(TouchstoneError, match="cut off or damaged"):
            _read(path)


@pytest.mark.parametrize("columns", [{"title": ["x"]}, {"prompt": pa.array([], pa.string())}])
def test_a_table_without_conversations_is_an_error(tmp_path: Path, columns: dict[str, Any]) -> None:
    path = tmp_path / "dump"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(TouchstoneError, match="belong to no known format"):
        _read(path)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hub:owner/name", ("owner/name", None, None, "train")),
        ("hub:owner/name#test", ("owner/name", None, None, "test")),
        ("hub:owner/name:en@v1.0#train[:10%]", ("owner/name", "en", "v1.0", "train[:10%]")),
        ("hub:./folder@main", ("./folder", None, "main", "train")),
    ],
)
def test_addresses_of_the_hub(text: str, address: tuple[str, ...]) -> None:
    assert tuple(read_address(text)) == address


@pytest.mark.parametrize("text", ["hub:", "hub:#train", "hub:a:#x", "hub:a@"])
def test_what_is_no_address_of_the_hub_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        read_address(text)


def test_a_file_name_tells_configuration_split_and_revision() -> None:
    assert read_address("hub:owner/name:en@v1#train").file_name == "name-en-train@v1.jsonl.zst"
    assert read_address("hub:./folder/").file_name == "folder-train.jsonl.zst"


@pytest.mark.slow
def test_a_data_set_is_streamed_into_a_file_of_a_dump(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for n in (1, 2):
        lines = [json.dumps({**SHAREGPT, "id": f"c{n}-{k}"}) + "\n" for k in range(3)]
        (folder / f"train-{n}.jsonl").write_text("".join(lines))
    address = read_address(f"hub:{folder}#train")
    assert write_split(address, tmp_path / address.file_name) == 6
    rows = _read(tmp_path / "set-train.jsonl.zst")
    assert [row.id for row in rows] == [f"c{n}-{k}" for n in (1, 2) for k in range(3)]
    with pytest.raises(TouchstoneError, match=r"split test.* cannot be read"):
        write_split(address._replace(split="test"), tmp_path / "other")


def test_a_hub_that_cannot_be_reached_is_an_error_that_says_what_to_check(
    tmp_path: Path,
) -> None:
    # HF_HUB_OFFLINE is set for all tests.
    with pytest.raises(TouchstoneError, match="cannot be read") as caught:
        write_split(read_address("hub:nobody/nothing"), tmp_path / "x")
    assert "HF_HUB_OFFLINE" in caught.value.remedy


def test_batches_of_a_table_are_no_larger_than_a_record_may_be(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    wide = [{"prompt": f"{n}", "response": "x" * 100_000} for n in range(50)]
    pq.write_table(pa.Table.from_pylist(wide), path)
    rows = list(read_dump(path, DumpSource(), Limits(record_bytes=200_000)))
    assert len(rows) == 50
    narrow = columnar.columnar_batches(path, path.read_bytes()[:4], Limits(record_bytes=300_000))
    assert {batch.num_rows for batch in narrow} <= {1, 2, 3}


def test_a_field_called_model_is_a_name_only_where_it_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "dump.jsonl"
    text = "It was a dark and stormy night. She"
    file.write_text(json.dumps({"human": "It was a dark and stormy night, then", "model": text}) + "\n")
    (row,) = read_dump(file, DumpSource(target="t1"))
    assert isinstance(row, Dialogue)
    assert row.target == "t1"
    file.write_text(json.dumps({"prompt": "Why?", "response": "Because.", "model": "m7"}) + "\n")
    (named,) = read_dump(file, DumpSource(target="t1"))
    assert isinstance(named, Dialogue)
    assert named.target == "m7"
