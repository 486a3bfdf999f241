"""`touchstone judge answers`: from files of answers to judgments that an audit takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion, Score
from components.contracts.verdict import Verdict
from components.judge.rows import JudgeReply
from pipelines.cli.main import cli
from tests.unit.contracts.chat_server import MODEL, Answer, ChatServer
from tests.unit.judging.conftest import JUDGE, NUM_PROMPTS, says, shown

MINE = """
name: mine
version: 2
verdict: {form: grades, keyword: Marks, lowest: 0, highest: 100}
prompt: |
  ----- {mark}: {instruction}
  ----- {mark}: one
  {first}
  ----- {mark}: two
  {second}
  ----- {mark}: Close with "Marks: 1 / 2".
"""


def run(*arguments: object) -> Any:
    done = CliRunner().invoke(cli, ["judge", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def judged(server: ChatServer, models: dict[str, Path], out: Path, *more: object) -> dict[str, Any]:
    asked = ("answers", models["imitator"], models["base"], "--reference", models["target"])
    done = run(*asked, "--api", server.url, *JUDGE, *more, "--out", out, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def placebos(folder: Path, **texts: str) -> Path:
    for arm, text in texts.items():
        rows = [
            Completion(prompt_id=str(i), model=f"placebo:{arm}", prompt=f"question {i}", text=text)
            for i in range(NUM_PROMPTS)
        ]
        write_rows(folder / arm, Completion, rows)
    return folder


@pytest.mark.slow
def test_two_candidates_are_judged_in_one_call_and_an_audit_takes_the_folder(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    found = judged(server, models, tmp_path / "out", "--price-in", 1, "--price-out", 2)
    lines = {line["model"]: line for line in found["results"]}
    assert [lines["imit"][key] for key in ("n", "wins", "ties", "losses", "order_flips")] == [40, 20, 0, 20, 0]
    assert [lines["base"][key] for key in ("n", "wins", "ties", "losses", "unscored")] == [40, 0, 0, 40, 0]
    assert found["judge"] == f"{MODEL} (pairwise 1)"
    metrics = found["metrics"]
    spent = metrics["prompt_tokens"] + metrics["completion_tokens"]
    assert spent == server.billed_tokens
    assert metrics["cost_usd"] == pytest.approx((metrics["prompt_tokens"] + 2 * metrics["completion_tokens"]) / 1e6)
    assert len(server.asked) == 2 * 2 * NUM_PROMPTS, "both orders of both candidates"
    assert found["warnings"] == []

    sides = [part for role in ("base", "imitator", "target") for part in (f"--{role}", models[role])]
    audit = ["audit", *map(str, sides), "--judgments", str(tmp_path / "out"), "--out", str(tmp_path / "audit")]
    assert CliRunner().invoke(cli, audit, catch_exceptions=False).exit_code == 0
    verdict = Verdict.model_validate_json((tmp_path / "audit" / "verdict.json").read_text())
    shares = {(p.model, p.opponent): (p.wins, p.losses, p.order_flips) for p in verdict.preference}
    assert shares == {("imit", "targ"): (20, 20, 0), ("base", "targ"): (0, 40, 0)}


def test_the_judge_never_sees_a_name_and_placebos_go_out_among_the_rest(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    folder = placebos(tmp_path / "placebos", constant="it depends", corrupted_target="wrong", restyled_base="- x")
    asked = ("answers", models["imitator"], folder, "--reference", models["target"], "--base", models["base"])
    found = json.loads(
        run(*asked, "--api", server.url, *JUDGE, "--limit", 12, "--out", tmp_path / "out", "--json").stdout
    )
    opponents = {line["model"]: line["opponent"] for line in found["results"]}
    assert opponents == {
        "imit": "targ",
        "placebo:constant": "targ",
        "placebo:corrupted_target": "targ",
        "placebo:restyled_base": "base",
    }
    texts = [asked.text for asked in server.asked]
    assert not any("placebo" in text or "restyled" in text for text in texts)
    assert any(shown(asked)[0] == "it depends" for asked in server.asked[:24]), "mixed, not one model after the other"


def test_stopped_by_the_budget_and_continued_without_asking_twice(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(TouchstoneError, match=r"could pass the budget: .* of 160 requests answered"):
        judged(server, models, tmp_path / "out", "--max-tokens-total", 9000)
    before = len(server.asked)
    assert 0 < before < 160
    assert not (tmp_path / "out" / "judgments").exists()
    judged(server, models, tmp_path / "out", "--max-tokens-total", 10**7)
    assert len(server.asked) == 160
    again = judged(server, models, tmp_path / "out", "--max-tokens-total", 10**7)
    assert (len(server.asked), again["metrics"]["paid_now"]) == (160, 0)


def test_unreadable_and_refused_replies_are_kept_with_their_reasons(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    says(server, lambda first, second: "They are both fine." if first == "base" else "Verdict: A")
    policy = Answer(400, {"error": {"message": "content policy"}})
    refused = {"question 3", "question 5"}
    server.script = lambda a: policy if "imit" in a.text and any(f"\n{q}\n" in a.text for q in refused) else Answer()
    params = json.dumps({"generate": {"max_unanswered": 0.1}})
    found = judged(server, models, tmp_path / "out", "--params", params)
    lines = {line["model"]: line for line in found["results"]}
    assert (lines["imit"]["n"], lines["imit"]["unscored"], lines["imit"]["order_flips"]) == (38, 2, 38)
    assert (lines["base"]["n"], lines["base"]["unscored"]) == (0, 40)
    assert found["unreadable"] == {"no verdict in the reply": 40, "the judge gave no reply": 4}
    kept = Input(tmp_path / "out" / "replies", JudgeReply).rows()
    assert sum(row.text == "They are both fine." for row in kept) == 40
    assert any("the verdict changed with the order" in line for line in found["warnings"])


def test_grades_of_a_template_of_ones_own(server: ChatServer, models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    says(server, lambda first, second: f"Marks: {len(first.split()[0])} / 4")
    found = judged(server, models, tmp_path / "out", "--template", tmp_path / "mine.yaml", "--limit", 3)
    assert found["judge"].startswith(f"{MODEL} (mine 2 ")
    text = run(
        *("answers", models["imitator"], "--reference", models["target"], "--api", server.url, *JUDGE),
        *("--template", tmp_path / "mine.yaml", "--limit", 5, "--out", tmp_path / "few"),
    ).stdout
    assert "grades, sum" in text
    assert "40.0 : 40.0" in text


def test_limit_draws_the_same_prompts_for_every_model(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    judged(server, models, tmp_path / "out", "--limit", 7)
    rows = Input(tmp_path / "out" / "judgments", Judgment).rows()
    prompts = {model: {row.prompt_id for row in rows if row.model == model} for model in ("imit", "base")}
    assert prompts["imit"] == prompts["base"]
    assert len(prompts["base"]) == 7


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--model", "gpt-4", "--api", "URL"], "the judge gpt-4 names no version"),
        (["--api", "URL"], "no judge is named"),
        ([], "no judge is given"),
        (["--likelihood", "--api", "URL", *JUDGE], "--likelihood needs the judge's checkpoint"),
        (["--api", "URL", *JUDGE, "--checkpoint", "/x"], "a server and a checkpoint are both given"),
        (["--api", "URL", *JUDGE, "--max-usd", "3"], "--max-usd without prices"),
        (["--api", "URL", *JUDGE, "--template", "pairwize"], "no judge's template called pairwize"),
        (["--api", "URL", *JUDGE, "--template", "no.yaml"], "there is no no.yaml"),
        (["--api", "URL", *JUDGE, "--params", '{"api": {}}'], "--params has api"),
        (["--api", "URL", "--model", "qwen", "--revision", "main"], "the revision main is no commit"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_refused_before_anything_is_sent(
    server: ChatServer, models: dict[str, Path], tmp_path: Path, options: list[str], problem: str
) -> None:
    given = [server.url if option == "URL" else option for option in options]
    with pytest.raises(UsageError, match=problem):
        run("answers", models["imitator"], "--reference", models["target"], *given, "--out", tmp_path / "out")
    assert server.asked == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"prompt_id": "1", "winner": "a"}\n', "a candidate got a record with only"),
        ('{"id": "999", "prompt": "other", "output": "x"}\n', "shares no prompts with the targ"),
        ("", "is empty"),
    ],
)
def test_bad_answers_are_refused_by_name(
    server: ChatServer, models: dict[str, Path], tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "bad.jsonl").write_text(content)
    with pytest.raises(TouchstoneError, match=problem):
        run(
            *("answers", tmp_path / "bad.jsonl", "--reference", models["target"]),
            *("--api", server.url, *JUDGE, "--out", tmp_path / "out"),
        )
    assert server.asked == []


def test_two_samples_of_one_model_need_names(server: ChatServer, models: dict[str, Path], tmp_path: Path) -> None:
    where = ("--api", server.url, *JUDGE, "--out", tmp_path / "out")
    with pytest.raises(TouchstoneError, match="are both called targ") as error:
        run("answers", models["target"], "--reference", models["target"], *where)
    assert "NAME=FILE" in error.value.remedy
    found = run("answers", f"second={models['target']}", "--reference", models["target"], *where, "--json")
    (line,) = json.loads(found.stdout)["results"]
    assert (line["model"], line["ties"]) == ("second", NUM_PROMPTS)
    assert server.asked == [], "equal answers are a tie without asking"


def test_a_served_model_of_ones_own_is_pinned_by_its_revision(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    where = ("--api", server.url, "--model", "our-judge", "--revision", "0123abc", "--limit", 3, "--json")
    found = run("answers", models["imitator"], "--reference", models["target"], *where, "--out", tmp_path / "out")
    assert json.loads(found.stdout)["judge"] == "our-judge@0123abc (pairwise 1)"
    notes = Input(tmp_path / "out" / "judgments", Judgment).manifest.notes
    assert notes["judge"] == {"name": "our-judge@0123abc", "pinned_by": "revision", "is": "0123abc"}
    server_said = notes["server"]
    assert isinstance(server_said, dict)
    assert server_said["models_reported"] == {MODEL: 6}


@pytest.mark.slow
@pytest.mark.parametrize(("say", "qualified"), [(None, False), (lambda a, b: "Verdict: " + "AB"["targ" in b], True)])
def test_a_judge_that_length_alone_sways_may_gate_nothing(
    server: ChatServer, models: dict[str, Path], tmp_path: Path, say: Any, qualified: bool
) -> None:
    # People hold the target to be better everywhere, however much the others say.
    votes = [
        {"judge": f"p{k}", "model_a": "imit", "model_b": "targ", "question_id": i, "winner": "model_b"}
        for i in range(NUM_PROMPTS)
        for k in range(3)
    ]
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in votes))
    (tmp_path / "policy.yaml").write_text("judges: {min_gold: 40}\n")
    if say is not None:
        says(server, say)
    wordy = placebos(tmp_path / "placebos", constant="it depends " * 40, corrupted_target="wrong " * 50)
    asked = ("answers", models["imitator"], wordy, "--reference", models["target"], "--gold", tmp_path / "people.jsonl")
    where = ("--api", server.url, *JUDGE, "--policy", tmp_path / "policy.yaml", "--out", tmp_path / "out")
    found = json.loads(run(*asked, *where, "--json").stdout)["qualification"]
    assert found["qualified"] is qualified
    assert {row["arm"]: row["fooled"] for row in found["placebos"]} == dict.fromkeys(
        ("constant", "corrupted_target"), not qualified
    )
    assert (found["num_gold"], found["gold_agreement"]) == (40, 1.0 if qualified else 0.5)
    told = run(*asked, *where).stdout
    assert ("this judge may gate" in told) is qualified
    assert "of its decisions 50% went to the answer shown first" in told
    assert ("constant: fooled; targ preferred on 0%" in told) is not qualified


def test_a_policy_that_is_none_is_told_before_anything_is_paid(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        judged(server, models, tmp_path / "out", "--policy", "stduy")
    assert server.asked == []


def test_an_evaluation_and_rows_of_ours_are_answers_too(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    def said(name: str, number: int, **changes: Any) -> Completion:
        made = {"prompt_id": str(number), "model": name, "prompt": f"question {number}", "text": f"{name} says"}
        return Completion.model_validate({**made, **changes})

    evaluation = tmp_path / "evaluation"
    for empty in ("scores", "variants"):
        write_rows(evaluation / empty, Score, [])
    write_rows(evaluation / "answers", Completion, [said("evaluated", i) for i in range(NUM_PROMPTS)])
    write_rows(evaluation / "completions", Completion, [said("asked for scores", i) for i in range(3)])
    refused = said("rows", 0, text="", unanswered="refused: no")
    write_rows(tmp_path / "rows", Completion, [refused, *(said("rows", i) for i in range(1, NUM_PROMPTS))])
    asked = ("answers", evaluation, tmp_path / "rows", "--reference", models["target"])
    found = run(*asked, "--api", server.url, *JUDGE, "--out", tmp_path / "out", "--json")
    lines = {line["model"]: line for line in json.loads(found.stdout)["results"]}
    assert {name: (line["n"], line["unscored"]) for name, line in lines.items()} == {
        "evaluated": (40, 0),
        # Not a loss: the model was never heard.
        "rows": (39, 1),
    }


@pytest.mark.parametrize("below", ["judgments", "judgments/new/er"])
def test_a_finished_output_is_not_written_into(
    server: ChatServer, models: dict[str, Path], tmp_path: Path, below: str
) -> None:
    write_rows(tmp_path / "judgments", Judgment, [])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="judgments is the finished output of a step"):
        judged(server, models, tmp_path / below)
    assert sorted(tmp_path.rglob("*")) == before
    assert server.asked == []
