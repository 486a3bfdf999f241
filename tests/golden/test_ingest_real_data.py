"""Real dumps, cleaned: what is kept, what goes and why, what is redacted; read in place."""

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from components.contracts import bind, environment
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.ports import Input, Output
from components.ingest.dumps import Dump, write_dump
from components.ingest.reading.sources import DumpSource
from components.ingest.step import ingest_dumps, subset

DATA = environment.data_folder(Path(__file__).parents[3] / "shared" / "data")
SHAREGPT = DATA / "sharegpt-sample" / "sharegpt_sample.jsonl.gz"
CHATGPT = DATA / "imitation-data-chatgpt" / "halueval_general.jsonl.gz"

pytestmark = pytest.mark.skipif(not SHAREGPT.is_file(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)")


def ingested(folder: Path, *files: Path, **params) -> tuple[list[Dialogue], list[Removal]]:
    output = Output(folder / "dump", Dump)
    write_dump(output.folder, files, [DumpSource(target="gpt-3.5-turbo") for _ in files])
    output.commit()
    ports = {"dialogues": folder / "dialogues", "removed": folder / "removed"}
    bind.call(ingest_dumps, params=params, dump=folder / "dump", **ports)
    return Input(ports["dialogues"], Dialogue).rows(), Input(ports["removed"], Removal).rows()


@pytest.fixture(scope="module")
def sharegpt(tmp_path_factory) -> tuple[Path, list[Dialogue], list[Removal]]:
    folder = tmp_path_factory.mktemp("sharegpt")
    return folder, *ingested(folder, SHAREGPT)


def test_sharegpt_kept_and_removed(sharegpt) -> None:
    _, kept, removed = sharegpt
    # 14 ask what another one asks; seven of them "continue" and nothing else, in chunks without their beginning.
    assert Counter(row.reason for row in removed) == {"duplicate": 14, "empty": 14, "language": 9, "no_reply": 9}
    assert len(kept) == 975 - 46
    # In ten of the empty ones a reply is a zero-width space: it never came.
    assert sum(row.detail.endswith("shows nothing") for row in removed) == 10
    again = [row for row in removed if row.raw.lower().startswith("user: continue\n")]
    assert Counter(row.reason for row in again) == {"duplicate": 7, "empty": 1}


def test_sharegpt_languages_against_its_automatic_labels(sharegpt) -> None:
    _, kept, removed = sharegpt
    with gzip.open(SHAREGPT, "rt", encoding="utf-8") as stream:
        labels = {row["id"]: row["language"] for row in map(json.loads, stream)}
    gone = {row.id: row.detail for row in removed if row.reason == "language"}
    # Read one by one: all nine are in the language named, some of them beside English.
    assert gone == {
        "xsWWpQj_43": "sk",
        "MetiWpF_0": "vi",
        "cIj2dFl_79": "es",
        "E3053Cw_13": "de",
        "NTAqPfL_0": "id",
        "wgCg1Ym_0": "es",
        "vwVGJsC_15": "de",
        "5CHGSqh_21": "de",
        "mvYw51D_0": "zh",
    }
    # The labels disagree on 19 of 938; they call short English replies Welsh, Danish or Afrikaans.
    compared = [*((labels[row.id] == "en", True) for row in kept), *((labels[name] == "en", False) for name in gone)]
    assert len(compared) == 938
    assert sum(label != ours for label, ours in compared) == 19


def test_sharegpt_redactions(sharegpt) -> None:
    _, kept, _ = sharegpt
    found = {row.id: row.passport.redacted for row in kept if row.passport.redacted}
    # The sample was filtered before: ways to write one phone number, a shop's number, a resolver's address in a log.
    assert sorted(found.values(), key=str) == [{"ip_address": 7}, {"phone": 1}, {"phone": 6}]


def test_chatgpt_answers(tmp_path) -> None:
    kept, removed = ingested(tmp_path, CHATGPT)
    # Four answers in French or Spanish, as asked for, and one list of places in Barcelona, wrongly.
    gone = {row.id: row.detail for row in removed}
    assert gone == {"107": "fr", "71": "fr", "375": "fr", "117": "es", "3492": "ca"}
    assert len(kept) == 4507 - 5
    assert [row.passport.redacted for row in kept if row.passport.redacted] == [{"e_mail": 5}]
    # No other query is nearly another one.
    assert len(kept) == len({row.turns[0].text for row in kept})


def test_a_shuffled_dump_gives_the_same_bytes(sharegpt, tmp_path) -> None:
    folder, _, _ = sharegpt
    with gzip.open(SHAREGPT, "rt", encoding="utf-8") as stream:
        lines = stream.readlines()
    random.Random(0).shuffle(lines)
    shuffled = tmp_path / SHAREGPT.name
    shuffled.write_bytes(gzip.compress("".join(lines).encode()))
    ingested(tmp_path, shuffled, workers=2)

    def without_places(port: str, root: Path) -> list[dict]:
        rows = [json.loads(line) for line in (root / port / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
        for row in rows:
            # The line of the file it stood in is the one thing that shuffling changes.
            row.get("passport", {}).pop("origin", None)
            row["detail"] = row.get("detail", "").rpartition(f"{SHAREGPT.name}, line ")[0]
        return rows

    for port in ("dialogues", "removed"):
        assert without_places(port, tmp_path) == without_places(port, folder)


def test_nested_subsets_of_real_dialogues(sharegpt, tmp_path) -> None:
    folder, kept, _ = sharegpt
    sizes = (10_000, 50_000, 250_000)
    found = []
    for size in sizes:
        ports = {"subset": tmp_path / f"{size}", "outside": tmp_path / f"{size}-outside"}
        bind.call(subset, params={"max_tokens": size}, dialogues=folder / "dialogues", **ports)
        found.append(Input(ports["subset"], Dialogue).rows())
    # The cleaned dialogues come in the order of the subsets already.
    assert [rows == kept[: len(rows)] for rows in found] == [True, True, True]
    assert len(found[0]) < len(found[1]) < len(found[2])
