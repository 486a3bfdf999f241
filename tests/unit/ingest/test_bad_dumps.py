"""Broken, strange and hostile dumps: what is whole is kept, the rest is told, memory is bounded."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.ingest.reading import json_stream, readers
from components.ingest.reading.readers import read_dialogues, read_dump
from components.ingest.reading.sources import DumpSource, Limits
from components.ingest.reading.tally import Tally

SOURCE = DumpSource(target="t")
SMALL = Limits(record_bytes=1 << 16, skipped_bytes=1 << 22, turns=100)


def _talk(number: int, text: str = "") -> str:
    turns = [{"from": "human", "value": f"question {number}"}, {"from": "gpt", "value": text or f"reply {number}"}]
    return json.dumps({"id": f"c{number}", "conversations": turns})


def _jsonl(count: int) -> str:
    return "".join(_talk(n) + "\n" for n in range(1, count + 1))


def _array(count: int) -> str:
    return "[" + ",\n".join(_talk(n) for n in range(1, count + 1)) + "]"


def _read(
    folder: Path, content: str | bytes, limits: Limits = SMALL, *, name: str = "dump"
) -> tuple[list[str], list[Removal]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rows = list(read_dump(path, SOURCE, limits))
    return [row.id for row in rows if isinstance(row, Dialogue)], [row for row in rows if isinstance(row, Removal)]


def test_half_a_line_in_the_middle_is_set_aside_with_its_place(tmp_path: Path) -> None:
    kept, removed = _read(tmp_path, _talk(1) + "\n" + _talk(2)[:30] + "\n" + _talk(3) + "\n")
    assert kept == ["c1", "c3"]
    assert [row.reason for row in removed] == ["malformed"]
    assert removed[0].detail.startswith("dump, line 2: no whole JSON")
    assert removed[0].raw == _talk(2)[:30] + "\n"


def test_half_a_line_at_the_start_does_not_make_the_file_something_else(tmp_path: Path) -> None:
    kept, removed = _read(tmp_path, _talk(1)[:30] + "\n" + _talk(2) + "\n" + _talk(3) + "\n")
    assert kept == ["c2", "c3"]
    assert [row.reason for row in removed] == ["malformed"]


@pytest.mark.parametrize(
    ("content", "kept", "place"),
    [
        (_jsonl(3)[:-20], 2, "line 3"),
        (_array(3)[:-20], 2, "item 3 (line 3)"),
        (_array(3)[:-1], 3, "after item 3 (line 3)"),
        (_array(2)[:-1] + ",", 2, "item 3 (line 2)"),
        (json.dumps([json.loads(_talk(n)) for n in (1, 2, 3)], indent=2)[:-40], 2, "item 3 (line"),
        (
            json.dumps(json.loads(_talk(1)), indent=2) + "\n" + json.dumps(json.loads(_talk(2)), indent=2)[:50],
            1,
            "line ",
        ),
    ],
    ids=["jsonl", "array", "no bracket", "comma", "indented array", "indented objects"],
)
def test_a_file_that_was_cut_off_keeps_what_was_whole_and_says_where_it_ends(
    tmp_path: Path, content: str, kept: int, place: str
) -> None:
    names, removed = _read(tmp_path, content)
    assert len(names) == kept
    assert [row.reason for row in removed] == ["damaged"]
    assert removed[0].detail.startswith(f"dump, {place}")
    assert "the file ends" in removed[0].detail


@pytest.mark.parametrize(
    "broken",
    ['{"id": "x", "conversations": oops}', '{"id": "x" "y"}', "}", '{"a": "tab\tinside"}', "nonsense"],
)
def test_an_array_that_is_broken_in_the_middle_says_how_far_it_was_read(tmp_path: Path, broken: str) -> None:
    tally = Tally()
    path = tmp_path / "dump"
    path.write_text(f"[{_talk(1)},\n{_talk(2)},\n{broken},\n{_talk(3)}]")
    rows = list(read_dump(path, SOURCE, SMALL, tally=tally))
    assert [row.id for row in rows[:2]] == ["c1", "c2"]
    assert [row.reason for row in rows[2:] if isinstance(row, Removal)] == ["damaged"]
    assert "line 3" in tally.warnings()[0]


def test_items_of_an_array_that_are_no_objects_are_set_aside_one_by_one(tmp_path: Path) -> None:
    kept, removed = _read(tmp_path, f'[{_talk(1)}, null, 3, "text", [[]], {_talk(2)}]')
    assert kept == ["c1", "c2"]
    assert [row.reason for row in removed] == ["malformed"] * 4


@pytest.mark.parametrize("window", [1, 2, 5, 64, 1_000])
def test_an_array_is_read_alike_through_a_window_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    smile = json.dumps({"id": "s", "prompt": '\N{GRINNING FACE} \\ "', "response": "\u00e9\u20ac"})
    raw = json.dumps({"id": "r", "prompt": "\N{GRINNING FACE}", "response": "\u00e9"}, ensure_ascii=False)
    long = _talk(4, "x" * 3_000)
    content = f"[ {_talk(1)} ,\n{smile},123456789012, -0.5e-10,{raw},{long},\r\n\ttrue,null,[[],[{{}}]],{_talk(2)} ] "
    whole = _read(tmp_path, content)
    monkeypatch.setattr(json_stream, "WINDOW_BYTES", window)
    assert _read(tmp_path, content) == whole
    assert whole[0] == ["c1", "s", "r", "c4", "c2"]
    assert [row.reason for row in whole[1]] == ["malformed"] * 5
    limited = _read(tmp_path, content, Limits(record_bytes=1_000))
    assert limited[0] == ["c1", "s", "r", "c2"]
    assert [row.reason for row in limited[1]].count("too_long") == 1


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def _zip(content: bytes) -> bytes:
    import io

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("talks/dump.jsonl", content)
    return packed.getvalue()


PACKINGS = pytest.mark.parametrize("pack", [_gzip, _zstd, _zip], ids=["gzip", "zstd", "zip"])
ONES = pytest.mark.parametrize("text", [_jsonl, _array], ids=["jsonl", "array"])


@PACKINGS
@ONES
def test_packed_dumps_are_read_like_plain_ones(
    tmp_path: Path, pack: Callable[[bytes], bytes], text: Callable[[int], str]
) -> None:
    assert _read(tmp_path, pack(text(3).encode())) == (["c1", "c2", "c3"], [])


@pytest.mark.slow
@pytest.mark.parametrize("pack", [_gzip, _zstd], ids=["gzip", "zstd"])
@ONES
@pytest.mark.parametrize("share", [0.5, 0.9, 0.9999])
def test_a_cut_packed_stream_keeps_what_was_whole_and_is_told(
    tmp_path: Path, pack: Callable[[bytes], bytes], text: Callable[[int], str], share: float
) -> None:
    whole = pack(text(4_000).encode())
    kept, removed = _read(tmp_path, whole[: int(share * len(whole))])
    assert share * 2_000 < len(kept) <= 4_000
    assert kept == [f"c{n}" for n in range(1, len(kept) + 1)]
    assert [row.reason for row in removed] == ["damaged"]
    assert "packed stream is cut off or damaged" in removed[0].detail


@pytest.mark.slow
@pytest.mark.parametrize("pack", [_gzip, _zstd, _zip], ids=["gzip", "zstd", "zip"])
def test_a_packed_stream_with_flipped_bytes_is_told(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = bytearray(pack(_jsonl(4_000).encode()))
    whole[len(whole) // 2 : len(whole) // 2 + 20] = b"\xff" * 20
    kept, removed = _read(tmp_path, bytes(whole))
    assert 100 < len(kept) < 4_000
    # Wrong bytes may unpack to wrong text before the stream's own check finds them.
    assert [row.reason for row in removed][-1] == "damaged"


def test_a_small_archive_whose_checksum_is_wrong_is_told(tmp_path: Path) -> None:
    content = _jsonl(3).encode()
    wrong = zlib.crc32(content).to_bytes(4, "little")
    with pytest.raises(TouchstoneError, match="damaged from its start"):
        _read(tmp_path, _zip(content).replace(wrong, b"\0\0\0\0"))


@pytest.mark.parametrize("pack", [_gzip, _zstd], ids=["gzip", "zstd"])
def test_a_short_packed_stream_that_was_cut_is_told(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    kept, removed = _read(tmp_path, pack(_jsonl(60).encode())[:-3])
    assert len(kept) <= 60
    assert [row.reason for row in removed] == ["damaged"]


def test_frames_of_zstd_one_after_another_are_one_stream(tmp_path: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"paper"
    lines = [(_talk(n) + "\n").encode() for n in (1, 2)]
    streamed = zstandard.ZstdCompressor().compressobj()
    second = streamed.compress(lines[1]) + streamed.flush()
    assert _read(tmp_path, _zstd(lines[0]) + skippable + second) == (["c1", "c2"], [])


@pytest.mark.parametrize("content", [_gzip(b"x" * 100)[:10], _zstd(b"x" * 100)[:9], b"PK\x03\x04nothing"])
def test_a_packed_file_of_which_nothing_can_be_read_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(TouchstoneError, match="damaged"):
        _read(tmp_path, content)


def test_a_zip_of_several_files_is_refused_by_their_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.json", "[]")
        archive.writestr("two.json", "[]")
    with pytest.raises(TouchstoneError, match=r"2 files: one\.json, two\.json"):
        list(read_dump(tmp_path / "a.zip", SOURCE))


@pytest.mark.parametrize(
    "content",
    [
        lambda long: _talk(1) + "\n" + long + "\n" + _talk(3) + "\n",
        lambda long: f"[{_talk(1)},\n{long},\n{_talk(3)}]",
    ],
    ids=["jsonl", "array"],
)
@pytest.mark.parametrize(
    "long",
    [
        _talk(2, 'says "{[" and \\ ' * 20_000),
        json.dumps({"id": "c2", "deep": [[{"a": "]}"}] * 3] * 20_000}),
        json.dumps("x" * 200_000),
    ],
    ids=["one text", "many brackets", "no object"],
)
def test_a_record_beyond_the_limit_is_passed_over_and_reading_goes_on(
    tmp_path: Path, content: Callable[[str], str], long: str
) -> None:
    kept, removed = _read(tmp_path, content(long))
    assert kept == ["c1", "c3"]
    assert [(row.reason, "MiB, more than 0.0625" in row.detail) for row in removed] == [("too_long", True)]
    assert removed[0].raw
    assert len(removed[0].raw) <= 4_000


def test_a_record_at_the_limit_is_read(tmp_path: Path) -> None:
    line = _talk(1, "x" * 1000)
    exact = Limits(record_bytes=len(line) + 1)
    assert _read(tmp_path, line + "\n" + _talk(2) + "\n", exact)[0] == ["c1", "c2"]
    short = Limits(record_bytes=len(line) - 1)
    assert [row.reason for row in _read(tmp_path, line + "\n" + _talk(2) + "\n", short)[1]] == ["too_long"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [b"{" + b" " * (1 << 25), b'{"a": "' + b"x" * (1 << 25), b"[" + b'{"a": "' + b"0" * (1 << 25), b"[" * (1 << 25)],
    ids=["spaces", "line", "item", "brackets"],
)
def test_compression_bombs_are_given_up_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(_gzip(content))
    with pytest.raises(TouchstoneError) as caught:
        list(read_dump(path, SOURCE, SMALL))
    assert "nothing in the file could be read" in caught.value.found or "no known format" in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


def test_a_bomb_behind_good_records_costs_only_what_follows(tmp_path: Path) -> None:
    kept, removed = _read(tmp_path, _gzip(_jsonl(3).encode() + b"x" * (1 << 23)))
    assert kept == ["c1", "c2", "c3"]
    assert [row.reason for row in removed] == ["damaged"]
    assert "a compression bomb" in removed[0].detail
    kept, removed = _read(tmp_path, _gzip(_jsonl(3).encode() + b"\n" * (1 << 23)))
    assert (kept, [row.reason for row in removed]) == (["c1", "c2", "c3"], ["damaged"])


def test_lines_in_other_encodings_are_set_aside_one_by_one(tmp_path: Path) -> None:
    latin = '{"prompt": "caf\xe9?", "response": "oui"}\n'.encode("latin-1")
    wide = '{"prompt": "a?", "response": "b"}\n'.encode("utf-16-le")
    kept, removed = _read(tmp_path, _talk(1).encode() + b"\n" + latin + wide + _talk(2).encode() + b"\n")
    assert kept == ["c1", "c2"]
    assert [row.reason for row in removed] == ["malformed", "malformed"]
    assert "line 2: byte 0xe9 at offset 15 is not UTF-8" in removed[0].detail
    assert "line 3: the line looks like UTF-16" in removed[1].detail


def test_an_item_of_an_array_with_foreign_bytes_is_set_aside_alone(tmp_path: Path) -> None:
    content = (
        f"[{_talk(1)},".encode() + '{"prompt": "caf\xe9", "response": "x"}'.encode("latin-1") + f",{_talk(2)}]".encode()
    )
    kept, removed = _read(tmp_path, content)
    assert kept == ["c1", "c2"]
    assert "byte 0xe9" in removed[0].detail


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_whole_file_in_utf16_is_an_error(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(TouchstoneError, match="UTF-16"):
        _read(tmp_path, _jsonl(2).encode(encoding))


@ONES
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path, text: Callable[[int], str]) -> None:
    content = text(3).replace("\n", "\r\n").encode("utf-8-sig")
    assert _read(tmp_path, content) == (["c1", "c2", "c3"], [])


def test_a_conversation_of_too_many_turns_is_set_aside(tmp_path: Path) -> None:
    def talk(identity: str, turns: int) -> str:
        spoken = [{"from": ("human", "gpt")[n % 2], "value": f"turn {n}"} for n in range(turns)]
        return json.dumps({"id": identity, "conversations": spoken}) + "\n"

    kept, removed = _read(tmp_path, talk("limit", 100) + talk("more", 101))
    assert kept == ["limit"]
    assert [(row.id, row.reason) for row in removed] == [("more", "too_long")]
    kept, removed = _read(tmp_path, talk("paper", 2_000) + talk("monster", 5_000), Limits())
    assert (kept, [row.reason for row in removed]) == (["paper"], ["too_long"])


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": [{"from": "human", "value": None}, {"from": "gpt", "value": None}]},
        {"conversations": [{"from": None, "value": "x"}]},
        {"conversations": [None]},
        {"conversations": [[]]},
        {"conversations": {"from": "human"}},
        {"conversations": None},
        {"prompt": None, "response": "x"},
        {"prompt": "x", "response": None},
        {"prompt": ["x"], "response": {"a": 1}},
        {"question": None, "chatgpt_answers": ["x"]},
        {"question": "x", "chatgpt_answers": [None]},
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": None}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "x"}]},
        {"turns": [{"speaker": "user", "text": "x"}, {"speaker": "assistant", "text": "y"}], "passport": {"colour": 1}},
        {"turns": [{"speaker": "user", "text": "x"}, {"speaker": "assistant", "text": "y"}], "passport": "none"},
        {"id": [1], "conversations": []},
    ],
)  # fmt: skip
def test_nulls_and_wrong_types_are_removals_and_no_crash(tmp_path: Path, record: dict[str, object]) -> None:
    kept, removed = _read(tmp_path, json.dumps(record) + "\n" + _talk(1) + "\n")
    assert kept == ["c1"]
    assert [row.reason in {"malformed", "empty", "no_reply"} for row in removed] == [True]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": ' + "[" * 100_000 + "]" * 100_000 + "}", "recursion"),
        ('{"prompt": ' + "9" * 10_000 + "}", "digits"),
        ("9" * 10_000, "digits"),
    ],
    ids=["deep", "digits", "bare digits"],
)
@pytest.mark.parametrize("form", ["jsonl", "array"])
def test_json_that_no_decoder_takes_is_set_aside(tmp_path: Path, line: str, said: str, form: str) -> None:
    content = f"{_talk(1)}\n{line}\n{_talk(2)}\n" if form == "jsonl" else f"[{_talk(1)},{line},{_talk(2)}]"
    kept, removed = _read(tmp_path, content, Limits())
    assert kept == ["c1", "c2"]
    assert [(row.reason, said in row.detail) for row in removed] == [("malformed", True)]


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ("gpt human", "the roles may be swapped"),
        ("gpt human gpt", "their first queries are missing"),
        ("human gpt", ""),
        ("system human gpt", ""),
    ],
)
def test_swapped_roles_are_noticed(tmp_path: Path, roles: str, said: str) -> None:
    path = tmp_path / "dump"
    talk = [{"from": role, "value": f"{n}"} for n, role in enumerate(roles.split())]
    path.write_text("".join(json.dumps({"id": n, "conversations": talk}) + "\n" for n in range(20)))
    tally = Tally()
    list(read_dump(path, SOURCE, tally=tally))
    assert said in " ".join(tally.warnings())
    assert bool(said) == bool(tally.warnings())


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("[]", "no records"),
        ("[ \n ]", "no records"),
        ("{}\n{}\n", "belong to no known format"),
        ('{"title": "x"}\n', "the keys title belong to no known format"),
        ("a,b\n1,2\n", "the keys a, b belong to no known format"),
        ("prompt,response\n", "no records"),
        ("just some text", "opens none of the formats"),
        ("\x00\x01\x02\x03", "no text at all"),
        ("not json\n", "opens none of the formats"),
    ],
)
def test_a_file_without_any_conversation_is_an_error(tmp_path: Path, content: str, found: str) -> None:
    with pytest.raises(TouchstoneError, match=found) as caught:
        _read(tmp_path, content)
    assert caught.value.expected
    assert caught.value.remedy


def test_a_large_file_of_another_kind_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "PATIENCE_RECORDS", 100)
    path = tmp_path / "dump"
    path.write_text('{"title": "x"}\n' * 200 + _talk(1) + "\n")
    rows: Iterator[Dialogue | Removal] = read_dump(path, SOURCE)
    for _ in range(100):
        next(rows)
    with pytest.raises(TouchstoneError, match="line 1: the keys title"):
        next(rows)


def test_a_missing_file_a_folder_and_a_pipe_are_errors(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, found in (("absent", "does not exist"), (".", "is a directory"), ("pipe", "is a pipe")):
        with pytest.raises(TouchstoneError, match=found):
            list(read_dump(tmp_path / name, SOURCE))


@pytest.mark.slow
def test_one_dialogue_many_times_is_kept_once_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_text((_talk(1) + "\n") * 20_000)
    counts = Counter(row.reason if isinstance(row, Removal) else "kept" for row in read_dump(path, SOURCE))
    assert counts == {"kept": 1, "duplicate": 19_999}


CSV_HEAD = "prompt,response\n"


@pytest.mark.parametrize(
    ("rows", "kept", "reasons"),
    [
        ('"a, b","c\n\nd"\nx,y\n', 2, []),
        ("x,y\nonly one\na,b,c\nz,w\n", 2, ["malformed", "malformed"]),
        ('x,y\n"open,quote\nz,w\n', 1, ["damaged"]),
        ('x,y\n"closed"early,b\nz,w\n', 1, ["damaged"]),
        ("x,y\n" + '"' + "z" * 70_000 + '",w\nz,w\n', 1, ["damaged"]),
        ('x,y\n"' + "line of an open quote\n" * 5_000, 1, ["damaged"]),
        ("x,y\n\n\nz,w\n", 2, []),
        ("x,\n,y\nz,w\n", 1, ["empty", "empty"]),
    ],
    ids=["quotes", "widths", "open", "early", "long cell", "endless", "blank", "empty"],
)
def test_rows_of_a_csv_that_cannot_be_used(tmp_path: Path, rows: str, kept: int, reasons: list[str]) -> None:
    names, removed = _read(tmp_path, CSV_HEAD + rows)
    assert (len(names), [row.reason for row in removed]) == (kept, reasons)


def test_an_open_quote_is_given_up_at_the_limit_and_not_at_the_end_of_the_file(tmp_path: Path) -> None:
    _, removed = _read(tmp_path, CSV_HEAD + 'x,y\n"' + "line of an open quote\n" * 5_000)
    assert "line 3: a row of more than 0.0625 MiB: a quote is left open" in removed[0].detail


def test_a_csv_row_in_another_encoding_is_set_aside_alone(tmp_path: Path) -> None:
    names, removed = _read(tmp_path, CSV_HEAD.encode() + b"caf\xe9,x\na,b\n")
    assert len(names) == 1
    assert removed[0].detail == "dump, line 2: byte 0xe9 at offset 3 is not UTF-8"


def test_a_csv_with_one_column_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="names a column twice"):
        _read(tmp_path, "prompt,response,prompt\na,b,c\n")


def test_reading_at_once_refuses_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_text(_jsonl(3)[:-20])
    with pytest.raises(TouchstoneError, match="dump, line 3"):
        read_dialogues(path)
