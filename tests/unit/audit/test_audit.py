"""One command from files to a verdict, and the same verdict again from the saved rows."""

import json
import random
import subprocess
import sys

import pytest
import yaml

from components.contracts.data_rows import Overlap
from components.contracts.evidence_rows import Judgment, StyleProfile
from components.contracts.ports import Input
from components.contracts.rows import Score
from components.contracts.verdict import Verdict

PROMPTS, ITEMS = 40, 60  # as conftest writes them


def verdict_of(folder) -> Verdict:
    return Verdict.model_validate_json((folder / "verdict.json").read_text())


def test_an_audit_writes_a_verdict_a_page_and_its_rows(given, touchstone) -> None:
    ran = touchstone(*given.arguments())
    assert ran.code == 0, ran.err
    result = given.path("result")
    assert {p.name for p in result.iterdir()} == {"verdict.json", "report.html", "report.md", "rows"}
    verdict = verdict_of(result)
    assert verdict.verdict in ran.out
    assert f"outputs: {PROMPTS} of {PROMPTS} matched" in ran.err
    assert [(b.name, b.n, b.base, b.imitator, b.target) for b in verdict.benchmarks] == [
        (name, ITEMS, 0.25, 0.25, 1.0) for name in ("quiz", "code")
    ]
    assert verdict.style.closeness is not None
    assert verdict.style.closeness > 0.5
    assert [(p.source, p.model, p.opponent, p.n, p.wins) for p in verdict.preference] == [
        ("a-judge", "imitator-lm", "target-lm", PROMPTS, PROMPTS // 2)
    ]
    assert verdict.provenance["models"] == {"base": "base-lm", "imitator": "imitator-lm", "target": "target-lm"}
    rows = result / "rows"
    assert len(Input(rows / "base_scores", Score).rows()) == 2 * ITEMS
    assert len(Input(rows / "profiles", StyleProfile).rows()) == 3 * PROMPTS
    assert len(Input(rows / "judgments", Judgment).rows()) == PROMPTS
    assert "imitator-lm" in (result / "report.html").read_text()
    assert not [p for p in given.folder.iterdir() if p.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.usefixtures("whose_hand")
def test_the_verdict_recomputed_from_rows_is_equal_to_the_byte(given, touchstone) -> None:
    assert touchstone(*given.arguments()).code == 0
    again = touchstone("verdict", given.path("result"), "--json")
    assert again.code == 0
    assert again.out == given.path("result").joinpath("verdict.json").read_text()


def test_the_order_of_lines_does_not_matter(given, touchstone) -> None:
    touchstone(*given.arguments())
    first = verdict_of(given.path("result"))
    shuffled = random.Random(1)
    for role in ("base", "imitator"):
        rows = json.loads(given.path(f"{role}.json").read_text())
        shuffled.shuffle(rows)
        given.path(f"{role}.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
        header, *lines = given.path(f"{role}.csv").read_text().splitlines()
        shuffled.shuffle(lines)
        given.path(f"{role}.csv").write_text("\n".join([header, *lines]))
    touchstone(*given.arguments())
    second = verdict_of(given.path("result"))
    assert second.style == first.style
    assert second.preference == first.preference
    assert {b.name: b for b in second.benchmarks} == {b.name: b for b in first.benchmarks}


@pytest.mark.slow
def test_an_audit_file_says_the_same_as_the_options(given, touchstone) -> None:
    touchstone(*given.arguments())
    config = {
        "base": "base.json",
        "imitator": "imitator.json",
        "target": "target.json",
        "scores": {role: f"{role}.csv" for role in ("base", "imitator", "target")},
        "judgments": "judgments.json",
        "out": "from_yaml",
    }
    given.path("audit.yaml").write_text(yaml.safe_dump(config))
    ran = touchstone("audit", given.path("audit.yaml"))
    assert ran.code == 0, ran.err
    assert verdict_of(given.path("from_yaml")) == verdict_of(given.path("result"))
    ran = touchstone("audit", given.path("audit.yaml"), "--out", given.path("elsewhere"), "--json")
    assert Verdict.model_validate_json(ran.out) == verdict_of(given.path("elsewhere"))


def test_benchmarks_of_files_that_do_not_name_them(given, touchstone) -> None:
    for role in ("base", "imitator", "target"):
        for name in ("one", "two"):
            lines = [f"{i},{int(i % (1 if role == 'target' else 3) == 0)}" for i in range(50)]
            given.path(f"{role}-{name}.csv").write_text("\n".join(["item_id,score", *lines]))
    scores = [f"{r}:{n}={given.path(f'{r}-{n}.csv')}" for r in ("base", "imitator", "target") for n in ("one", "two")]
    ran = touchstone(*given.arguments(scores=scores))
    assert ran.code == 0, ran.err
    assert [b.name for b in verdict_of(given.path("result")).benchmarks] == ["one", "two"]


@pytest.mark.slow
def test_the_gate_exits_with_3_after_everything_is_written(given, touchstone) -> None:
    given.path("strict.yaml").write_text("require: [CAPABILITY]\n")
    ran = touchstone(*given.arguments(policy=given.path("strict.yaml")))
    assert ran.code == 3
    assert "is not among what policy strict requires" in ran.err
    assert verdict_of(given.path("result")).gate == "fail"
    assert touchstone("verdict", given.path("result")).code == 3
    assert touchstone("verdict", given.path("result"), "--policy", "study").code == 0
    assert touchstone(*given.arguments()).code == 0
    assert touchstone("verdict", given.path("result"), "--policy", given.path("strict.yaml")).code == 3


@pytest.mark.slow
def test_training_data_give_support_and_a_declaration_goes_before_it(given, touchstone) -> None:
    for role in ("base", "imitator", "target"):
        lines = [
            f'quiz,{i},{int(i % (1 if role == "target" else 4) == 0)},"Explain number {i} in words"' for i in range(50)
        ]
        given.path(f"{role}.csv").write_text("\n".join(["benchmark,item_id,score,question", *lines]))
    pairs = [{"prompt": f"Explain number {i} in words, please", "completion": "Sure."} for i in range(50)]
    given.path("train.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    ran = touchstone(*given.arguments(train=given.path("train.jsonl")))
    assert ran.code == 0, ran.err
    (benchmark,) = verdict_of(given.path("result")).benchmarks
    assert (benchmark.supported, benchmark.support_source) == (True, "measured")
    given.path("audit.yaml").write_text("supported: {quiz: false}\n")
    touchstone(*given.arguments(train=given.path("train.jsonl")), given.path("audit.yaml"))
    (benchmark,) = verdict_of(given.path("result")).benchmarks
    assert (benchmark.supported, benchmark.support_source) == (False, "declared")


STUDY = """
source: arXiv 2305.15717
benchmarks:
  nq: {{n: 3610, num_shots: 3, rounding: 1%, {extra}scores: {{base: 20%, imitator: {imitator}, target: 31%}}}}
style:
  n: 255
  list_agreement: {{base: 13%, imitator: 81%, target_second: 83%}}
  summary_agreement: {{base: 2%, imitator: 48%, target_second: 55%}}
  unigram_f1: {{base: 19.5, imitator: 42.5, target_second: 49.2}}
  length_correlation: {{base: -0.11, imitator: 0.62, target_second: 0.67}}
  authoritative: {{base: 57%, imitator: 98%, target_second: 98%}}
"""


@pytest.mark.parametrize("extra", ["", "supported: true, ", "supported: false, "])
@pytest.mark.parametrize(("imitator", "word", "regressed"), [("15%", "STYLE_ONLY", ("nq",)), ("27%", "LOCAL", ())])
def test_the_studys_tables_as_published_numbers(tmp_path, touchstone, extra, imitator, word, regressed) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.format(extra=extra, imitator=imitator))
    ran = touchstone("audit", "--published", tmp_path / "study.yaml", "--out", tmp_path / "result")
    assert ran.code == 0, ran.err
    verdict = verdict_of(tmp_path / "result")
    assert (verdict.verdict, verdict.regressed) == (word, regressed)
    assert verdict.benchmarks[0].support_source == ("declared" if extra else "unknown")
    assert verdict.style.closeness == pytest.approx(0.9, abs=0.05)


def test_a_logged_mean_stands_beside_published_numbers(tmp_path, touchstone) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.format(extra="", imitator="15%"))
    logged = {"results": {"nq": {"exact_match,none": 0.27}}, "configs": {}, "n-samples": {"nq": {"effective": 3610}}}
    (tmp_path / "r.json").write_text(json.dumps(logged))
    arguments = ["--scores", f"imitator={tmp_path / 'r.json'}", "--published", tmp_path / "study.yaml"]
    assert touchstone("audit", *arguments, "--out", tmp_path / "result").code == 0
    # The number that somebody typed for the same role is the one that was meant.
    assert verdict_of(tmp_path / "result").benchmarks[0].imitator == 0.15


def test_the_commands_import_nothing_heavy() -> None:
    script = (
        "import sys, pipelines.cli.main as m, pipelines.cli.audit, pipelines.cli.verdict;"
        "heavy = {'numpy', 'scipy', 'sklearn', 'torch', 'kfp', 'pydantic', 'rich', 'yaml'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write_training(given, *queries: str) -> None:
    filler = [f"Tell me something about the {name} in general" for name in ("sea", "moon", "wind", "rain", "snow")]
    rows = [{"id": f"d{n}", "instruction": q, "output": "Certainly."} for n, q in enumerate([*queries, *filler])]
    given.path("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_prompts_that_the_imitation_data_repeat_enter_neither_style_nor_preference(given, touchstone) -> None:
    write_training(given, "Explain number 7", "Explain number 11")
    # These prompts share two words of three with each other; only the repeated ones come nearer.
    given.path("policy.yaml").write_text("data: {prompt_bleu: 90}\n")
    ran = touchstone(*given.arguments(train=given.path("train.jsonl"), policy=given.path("policy.yaml")))
    assert ran.code == 0, ran.err
    verdict = verdict_of(given.path("result"))
    found = Input(given.path("result") / "rows" / "overlap", Overlap).rows()
    assert sorted(row.bleu_dialogue for row in found if row.dirty) == ["d0", "d1"]
    assert verdict.style.n == PROMPTS - 2
    assert verdict.preference[0].n == PROMPTS - 2
    assert any("2 prompts repeat a training text" in line for line in verdict.warnings)
    assert verdict.data is not None
    assert verdict.data.figures[0].dialogues == 7
    assert verdict.data.figures[0].leakage[0].dirty == 2
    again = touchstone("verdict", given.path("result"), "--json")
    assert again.out == given.path("result").joinpath("verdict.json").read_text()


def test_another_policy_calls_other_prompts_leaked(given, touchstone) -> None:
    write_training(given, "Explain number 7")
    assert touchstone(*given.arguments(train=given.path("train.jsonl"))).code == 0
    given.path("lenient.yaml").write_text("data: {prompt_bleu: 100}\n")
    again = touchstone("verdict", given.path("result"), "--policy", given.path("lenient.yaml"), "--json")
    assert Verdict.model_validate_json(again.out).style.n == PROMPTS
