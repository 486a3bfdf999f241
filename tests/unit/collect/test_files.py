"""Files are read by content, and every way of being broken is an error with its place."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from components.contracts import files
from components.contracts.errors import TouchstoneError, UsageError

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y\u2028z"}, {"a": 3, "b": ""}]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = 'a,b\n1,x\n2,"y\u2028z"\n3,\n'
AS_TEXT = [{"a": str(row["a"]), "b": row["b"]} for row in ROWS]


def write(folder: Path, content: str | bytes, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def values(path: Path) -> list[object]:
    return [dict(record.value) for record in files.records(path)]


def complaint(path: Path) -> str:
    with pytest.raises(TouchstoneError) as caught:
        list(files.records(path))
    assert caught.value.remedy or caught.value.expected
    return str(caught.value)


@pytest.mark.parametrize(
    "pack", [lambda b: b, gzip.compress, lambda b: b"\xef\xbb\xbf" + b], ids=["plain", "gzip", "bom"]
)
@pytest.mark.parametrize("name", ["data.csv", "data.json.gz", "noext"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (JSONL, ROWS),
        ("\n" + JSONL.replace("\n", "\r\n\r\n"), ROWS),
        (json.dumps(ROWS), ROWS),
        (json.dumps(ROWS, indent=2), ROWS),
        (json.dumps({"a": ROWS}, indent=2), [{"a": ROWS}]),
        (CSV, AS_TEXT),
        (CSV.replace(",", ";"), AS_TEXT),
        ("# numbers\na: 1\nb: [x, y]\n", [{"a": 1, "b": ["x", "y"]}]),
        ("- a: 1\n- a: 2\n", [{"a": 1}, {"a": 2}]),
        ("[]", []),
    ],
    ids=[
        "jsonl",
        "jsonl-crlf",
        "array",
        "array-indented",
        "object",
        "csv",
        "csv-semicolon",
        "yaml",
        "yaml-list",
        "none",
    ],
)
def test_content_tells_the_format_whatever_the_name(tmp_path, content, expected, name, pack) -> None:
    assert values(write(tmp_path, pack(content.encode()), name)) == expected


def test_places_count_lines_of_the_file(tmp_path) -> None:
    assert [r.where for r in files.records(write(tmp_path, "\n" + JSONL))] == [
        f"{tmp_path}/file.txt, line {n}" for n in (2, 3, 4)
    ]
    array = write(tmp_path, '[\n{"a": 1},\n\n{"a":\n 2}\n]')
    assert [r.where for r in files.records(array)] == [f"{array}, item 1 (line 2)", f"{array}, item 2 (line 4)"]
    table = write(tmp_path, 'a,b\n1,"x\ny"\n2,z\n')
    assert [r.where for r in files.records(table)] == [f"{table}, line 2", f"{table}, line 4"]


def test_truncated_gzip_says_so(tmp_path) -> None:
    whole = gzip.compress(JSONL.encode() * 500)
    message = complaint(write(tmp_path, whole[: len(whole) // 2]))
    assert "file.txt" in message
    assert "gzip stream is cut off or damaged" in message
    assert "again" in message


def test_gzip_with_a_wrong_checksum_says_so(tmp_path) -> None:
    whole = bytearray(gzip.compress(JSONL.encode()))
    whole[-6] ^= 0xFF
    assert "damaged" in complaint(write(tmp_path, bytes(whole)))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (json.dumps(ROWS)[:-20], "item 2"),
        (json.dumps(ROWS)[:-1], "item 3"),
        (json.dumps(ROWS, indent=1)[:-30], "item 2 (line"),
        (JSONL[:-8], "line 3"),
        (JSONL.replace("1,", "1 ,,"), "line 1"),
        (json.dumps({"a": ROWS}, indent=1)[:-20], "line 12"),
        (json.dumps(ROWS) + json.dumps(ROWS), "after the closing bracket"),
        ('{"a": ' + "9" * 5000 + "}", "line 1"),
        ("[" * 100_000, "item 1"),
    ],
)
def test_broken_json_names_the_place(tmp_path, content, place) -> None:
    message = complaint(write(tmp_path, content))
    assert place in message
    assert "written again" in message or "write the file again" in message


def test_non_utf8_names_line_offset_and_byte(tmp_path) -> None:
    line = b'{"a": "caf\xe9"}\n'
    message = complaint(write(tmp_path, JSONL.encode() + line))
    offset = len(JSONL.encode()) + line.index(b"\xe9")
    assert f"line 4: byte 0xe9 at offset {offset} is not UTF-8" in message
    assert "iconv" in message


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"PK\x03\x04rest", "zip archive"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        ("a,b\n".encode("utf-16"), "iconv -f utf-16 -t utf-8 "),
        (b"PAR1....", "Parquet"),
        (b"just words\n", "opens none of the formats"),
        (b"[1, 2]", "item 1 (line 1): 1 is not an object"),
        (b"a,b\n1,2\n3\n", "line 3: 1 cells under 2 columns"),
        (b"a,a\n1,2\n", "names a column twice"),
        (b'a,b\n1,"x\n', "line 2: unexpected end of data"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, found) -> None:
    assert found in complaint(write(tmp_path, content))


def test_missing_file_directory_and_path_through_a_file(tmp_path) -> None:
    assert "does not exist" in complaint(tmp_path / "none.json")
    assert "is a directory" in complaint(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe" in complaint(tmp_path / "pipe")
    assert "cannot be read" in complaint(write(tmp_path, "x") / "below")


def test_a_key_that_stands_twice_in_yaml_is_an_error_with_its_line(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"line 3: the key 'a' stands twice"):
        list(files.records(write(tmp_path, "a: 1\nb: 2\na: 3\n")))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", '"nan"', '"x"', "null", "[1]"])
def test_numbers_that_are_none_are_located(tmp_path, literal) -> None:
    record = list(files.records(write(tmp_path, f'{{"score": 1}}\n{{"score": {literal}}}\n')))[1]
    with pytest.raises(TouchstoneError, match=r"line 2: score is ") as caught:
        record.number("score")
    assert caught.value.expected == "score as a finite number"


def test_numbers_and_truth_values_also_as_text() -> None:
    given = [True, False, 0.5, 1, "0.5", " TRUE ", "1e-1", "1_000", "", None, "0x1"]
    assert [files.as_number(v) for v in given] == [1, 0, 0.5, 1, 0.5, 1, 0.1, None, None, None, None]


def test_half_a_surrogate_pair_becomes_the_replacement_character(tmp_path) -> None:
    (record,) = files.records(write(tmp_path, '{"t": "a\\ud83d b \\ud83d\\ude00"}'))
    assert record.text("t") == "a\ufffd b \U0001f600"


def test_document_wants_exactly_one_object(tmp_path) -> None:
    assert files.document(write(tmp_path, '{"a": 1}')).value == {"a": 1}
    with pytest.raises(TouchstoneError, match="several objects"):
        files.document(write(tmp_path, JSONL))


def test_lines_are_streamed(tmp_path) -> None:
    # The first record comes before the break in the second is met.
    records = files.records(write(tmp_path, '{"a": 1}\n{"a": \n'))
    assert next(records).value == {"a": 1}
    with pytest.raises(TouchstoneError, match="line 2"):
        next(records)


def test_memory_stays_near_the_size_of_an_array(tmp_path) -> None:
    size = write(tmp_path, json.dumps([{"text": "x" * 1000}] * 5000)).stat().st_size
    tracemalloc.start()
    try:
        assert sum(len(record.text("text")) for record in files.records(tmp_path / "file.txt")) == 5_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * size


def test_a_cell_longer_than_the_csv_modules_limit_is_read(tmp_path) -> None:
    (record,) = files.records(write(tmp_path, 'a,b\n1,"' + "x" * 300_000 + '"\n'))
    assert len(record.text("b")) == 300_000
