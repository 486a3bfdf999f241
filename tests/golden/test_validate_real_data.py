"""The gate, the toxicity scorer and the classifier of queries on real data read in place."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.collect.benchmark_files import read_heldout, read_items
from components.contracts import bind, environment
from components.contracts.data_rows import CategoryReview, DataFigures
from components.contracts.dialogue_rows import Dialogue
from components.contracts.evidence_rows import GateCheck
from components.contracts.ports import Input, Output, write_rows
from components.contracts.rows import Prompt, TaskItem
from components.contracts.yaml_documents import read_mapping
from components.ingest.dumps import Dump, write_dump
from components.ingest.reading.sources import DumpSource
from components.ingest.step import ingest_dumps
from components.validate.categories import classify
from components.validate.step import validate
from components.validate.table import heldout_texts, tabulate
from components.validate.toxicity import TOXIC_FROM, ToxicityMeter, local_scorer

DATA = environment.data_folder(Path(__file__).parents[3] / "shared" / "data")
SHAREGPT = DATA / "sharegpt-sample" / "sharegpt_sample.jsonl.gz"
CHATGPT = DATA / "imitation-data-chatgpt" / "halueval_general.jsonl.gz"
REALTOXICITY = DATA / "realtoxicity" / "rtp_val_5000.jsonl.gz"
HATECHECK = DATA / "hatecheck" / "test_suite_cases.csv.gz"
LABELS = Path(__file__).parent / "sharegpt_categories.yaml"

pytestmark = [
    pytest.mark.skipif(not SHAREGPT.is_file(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)"),
    # Great Expectations imports `sre_constants` and `sre_parse`, which Python 3.11 calls deprecated.
    pytest.mark.filterwarnings("ignore:module 'sre_(constants|parse)' is deprecated:DeprecationWarning"),
]


def _lines(path: Path) -> Iterator[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


# --- Toxicity: the numbers in the docstring of components/validate/toxicity.py -------------------------------------


@cache
def _perspective() -> tuple[list[str], np.ndarray]:
    texts, scores = [], []
    for row in _lines(REALTOXICITY):
        for part in (row["prompt"], row["continuation"]):
            assert isinstance(part, dict)
            if part.get("toxicity") is not None and part["text"].strip():
                texts.append(part["text"])
                scores.append(part["toxicity"])
    return texts, np.array(scores)


def test_the_scorer_ranks_as_perspective_does_and_its_cut_gives_few_false_alarms() -> None:
    texts, perspective = _perspective()
    found = np.array(local_scorer()(texts))
    toxic = perspective >= 0.5
    assert len(texts) == 9949
    assert roc_auc_score(toxic, found) == pytest.approx(0.883, abs=0.005)
    called = found >= TOXIC_FROM
    assert called[toxic].mean() == pytest.approx(0.25, abs=0.01)
    assert called[perspective >= 0.8].mean() == pytest.approx(0.51, abs=0.02)
    assert called[~toxic].mean() <= 0.001
    middle = (found >= 0.4) & (found < 0.6)
    assert toxic[middle].mean() == pytest.approx(0.70, abs=0.02)


def test_what_the_scorer_cannot_see_is_what_its_docstring_says() -> None:
    with gzip.open(HATECHECK, "rt", encoding="utf-8") as stream:
        cases = list(csv.DictReader(stream))
    found = np.array(local_scorer()([case["test_case"] for case in cases]))
    hateful = np.array([case["label_gold"] == "hateful" for case in cases])
    groups = np.array([case["functionality"] for case in cases])
    assert roc_auc_score(hateful, found) == pytest.approx(0.47, abs=0.02)
    rate = {str(group): float((found[groups == group] >= 0.5).mean()) for group in np.unique(groups)}
    hidden = ("spell_leet_h", "spell_space_del_h", "spell_char_swap_h", "spell_space_add_h")
    assert all(0.09 < rate[group] < 0.24 for group in hidden)
    assert max(rate["threat_dir_h"], rate["threat_norm_h"]) < 0.36
    assert rate["profanity_nh"] > 0.97
    assert rate["slur_reclaimed_nh"] > 0.89


# --- Kinds of queries ----------------------------------------------------------------------------------------------


@cache
def _first_queries() -> dict[str, str]:
    found: dict[str, str] = {}
    for row in _lines(SHAREGPT):
        turns = row["conversations"]
        assert isinstance(turns, list)
        found |= {str(row["id"]): next((t["value"] for t in turns if t["from"] == "human"), "")}
    return found


@pytest.mark.parametrize(("half", "right"), [("tuned", 64), ("held_out", 59)])
def test_the_classifier_agrees_with_a_reader_on_four_queries_in_five(half: str, right: int) -> None:
    labels = read_mapping(LABELS)[half]
    assert isinstance(labels, dict)
    pairs = Counter((said, classify(_first_queries()[name])) for name, said in labels.items())
    assert sum(count for (said, guess), count in pairs.items() if said == guess) == right
    assert len(labels) == 75


# --- The gate ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gate")
    write_rows(made / "items", TaskItem, [])
    write_rows(made / "heldout", Prompt, [Prompt(id="h", text="Which of these prompts is in no data at all?")])
    return made


def _ingested(folder: Path, file: Path, name: str) -> dict[str, Path]:
    """A dump through ingest, once: folders of `dialogues` and `removed`."""
    work = folder / name
    ports = {port: work / port for port in ("dialogues", "removed")}
    if not work.exists():
        dump = Output(work / "dump", Dump)
        papers = DumpSource(name=name, target="gpt-3.5-turbo", target_date="2023", terms="restricted")
        write_dump(dump.folder, [file], [papers])
        dump.commit()
        bind.call(ingest_dumps, params={"workers": 1}, dump=work / "dump", **ports)
    return ports


def _held(folder: Path, file: Path, name: str, *, reviewed: bool = False) -> tuple[DataFigures, list[GateCheck]]:
    """A dump through ingest and the gate: its figures, and the checks that do not hold."""
    work = folder / name
    ports = _ingested(folder, file, name)
    if reviewed:
        kept = {row.id for row in Input(ports["dialogues"], Dialogue).iter_rows()}
        labels = [half for half in read_mapping(LABELS).values() if isinstance(half, dict)]
        rows = [
            CategoryReview(dialogue_id=i, category=said) for half in labels for i, said in half.items() if i in kept
        ]
        write_rows(work / "review", CategoryReview, rows)
        ports["review"] = work / "review"
    made = {port: work / port for port in ("checked", "checks", "figures", "docs")}
    given = {port: folder / port for port in ("items", "heldout")}
    bind.call(validate, params={"name": name}, **ports, **given, **made)
    failed = [check for check in Input(made["checks"], GateCheck).rows() if not check.passed]
    return Input(made["figures"], DataFigures).rows()[0], failed


def _only_search_is_missing(failed: list[GateCheck]) -> bool:
    return len(failed) == 2 and all(check.observed.startswith("not measured") for check in failed)


def test_sharegpt_after_ingest_passes_with_its_figures(folder: Path) -> None:
    figures, failed = _held(folder, SHAREGPT, "sharegpt-sample", reviewed=True)
    assert _only_search_is_missing(failed)
    # 975 conversations: kept and removed add up.
    assert figures.dialogues + sum(figures.removed.values()) == 975
    # How many stay is ingest's business, and measured there.
    assert figures.dialogues == pytest.approx(935, abs=15)
    assert figures.imitation_words / figures.dialogues == pytest.approx(711, rel=0.02)
    assert figures.toxic_share == pytest.approx(0.006, abs=0.002)
    assert figures.toxic_unscored <= 3
    shares = {one.category: one for one in figures.categories}
    # Beside Table 5 (Generation 31, General QA 16, Coding 16): this sample asks for code more often.
    assert shares["Coding"].classified == pytest.approx(0.31, abs=0.015)
    assert shares["Coding"].share == pytest.approx(0.26, abs=0.03)
    assert shares["Generation"].classified == pytest.approx(0.15, abs=0.015)
    for one in figures.categories:
        assert one.ci is not None
        assert one.ci[0] <= one.share <= one.ci[1]
        assert one.ci[1] - one.ci[0] < 0.2


def test_one_sharegpt_user_asked_a_koala_prompt_word_for_word(folder: Path) -> None:
    prompts = read_heldout(DATA / "koala-test-set" / "koala_test_set.jsonl.gz")
    files = ("mmlu/mmlu_test.jsonl.gz", "nq-open/NQ-open.dev.jsonl.gz", "humaneval/HumanEval.jsonl.gz")
    items = [item for file in files for item in read_items(DATA / file)]
    assert (len(prompts), len(items)) == (180, 14_042 + 3_610 + 164)
    dialogues = Input(_ingested(folder, SHAREGPT, "sharegpt-sample")["dialogues"], Dialogue)
    texts = tabulate(dialogues.iter_rows(), heldout_texts(items, prompts), ToxicityMeter(lambda: lambda _: [])).texts
    leaked = {name: item for name, item in zip(texts["id"], texts["leaked"], strict=True) if item}
    assert list(leaked) == ["EgLnz5T_0"]
    assert leaked["EgLnz5T_0"] in {prompt.id for prompt in prompts}


def test_chatgpt_answers_pass_with_their_figures(folder: Path) -> None:
    figures, failed = _held(folder, CHATGPT, "imitation-data-chatgpt")
    assert _only_search_is_missing(failed)
    assert figures.dialogues + sum(figures.removed.values()) == 4507
    assert figures.dialogues == pytest.approx(4502, abs=5)
    assert figures.turns == 2 * figures.dialogues
    assert figures.imitation_words == pytest.approx(372_600, rel=0.01)
    assert figures.toxic_share == pytest.approx(0.0022, abs=0.001)
    assert figures.toxic_unscored <= 10
    shares = {one.category: one.share for one in figures.categories}
    assert shares["General QA"] + shares["Generation"] == pytest.approx(0.78, abs=0.03)
