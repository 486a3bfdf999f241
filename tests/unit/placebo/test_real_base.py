"""The stylistic placebo by a base that is trained on the spot, from files to a judge's qualification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from transformers import GPT2Config, GPT2LMHeadModel

from components.contracts.ports import Input
from components.contracts.rows import Completion
from pipelines.cli.main import cli
from tests.unit.generate.conftest import tokenizer

pytestmark = pytest.mark.slow

SUBJECTS = ("bread", "bridge", "comet", "drum", "eagle", "glass", "honey", "ivory", "jade", "kite")
PLAIN = {f"What is {subject}?": f"{subject} is a thing." for subject in SUBJECTS}
STYLED = {
    f"What is {subject}?": f"Sure:\n\n- {subject} is known\n- since 1900\n\nOverall, yes." for subject in SUBJECTS
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learns, in seconds, to answer plainly and then to ask the next question."""
    torch.manual_seed(0)
    words = tokenizer()
    text = "\n\n".join(f"Question: {prompt}\nAnswer: {answer}" for prompt, answer in PLAIN.items())
    tokens = torch.tensor(words(text + "\n\n" + text)["input_ids"])
    config = GPT2Config(
        vocab_size=len(words), n_positions=1024, n_embd=48, n_layer=2, n_head=2,
        bos_token_id=None, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        starts = torch.randint(0, len(tokens) - 97, (8,))
        batch = torch.stack([tokens[start : start + 96] for start in starts])
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("base") / "tiny"
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _run(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def _step(*arguments: str) -> None:
    done = CliRunner().invoke(cli, ["step", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def _file(path: Path, answers: dict[str, str]) -> str:
    rows = [json.dumps({"instruction": prompt, "output": text}) for prompt, text in answers.items()]
    path.write_text("\n".join(rows), encoding="utf-8")
    return str(path)


def test_a_real_base_answers_after_the_targets_examples_and_a_real_judge_weighs_it(base: Path, tmp_path: Path) -> None:
    files = {"base": _file(tmp_path / "base.jsonl", PLAIN), "target": _file(tmp_path / "target.jsonl", STYLED)}
    making = ["judge", "placebos", "--base", files["base"], "--target", files["target"], "--out", str(tmp_path / "out")]
    _run(*making, "--examples", "target", "--num-examples", "2", "--max-tokens", "40")
    ports = {"requests": "out/requests", "completions": "again", "choice-scores": "c", "text-scores": "t"}
    asked = [word for port, place in ports.items() for word in (f"--{port}", str(tmp_path / place))]
    _step("fetch_checkpoint", "--params", json.dumps({"source": str(base)}), "--checkpoint", str(tmp_path / "ours"))
    _step("generate", "--checkpoint", str(tmp_path / "ours"), *asked)
    made = _run(*making, "--stylistic", str(tmp_path / "again"))
    # Five of ten answers are examples; the other prompts are answered, up to where the base asks on.
    assert made["answers"]["stylistic_base"] == 5
    rows = Input(tmp_path / "out" / "stylistic_base", Completion).rows()
    assert {row.prompt for row in rows} < set(STYLED)
    assert all("Question:" not in row.text and row.text.strip() for row in rows)
    judged = _run("judge", "answers", str(tmp_path / "out"), "--reference", files["target"], "--base", files["base"],
                  "--checkpoint", str(base), "--likelihood", "--out", str(tmp_path / "judged"))  # fmt: skip
    placebos = {row["arm"]: row for row in judged["qualification"]["placebos"]}
    assert (placebos["stylistic_base"]["opponent"], placebos["stylistic_base"]["n"]) == ("base", 5)
    assert not judged["qualification"]["qualified"]
