import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.manifest import FILE_NAME
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import TextRow, Turn
from components.train import step
from components.train.recipe import Recipe
from components.train.tokenizer import ASSISTANT, END, USER, ready_for_dialogue, word_level

RECIPE = {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16, "epochs": 20}


def talk(number: int) -> Dialogue:
    turns = (Turn(speaker="user", text="what is the craft of Corford?"), Turn(speaker="assistant", text="pottery."))
    return Dialogue(id=str(number), source="s", target="t", turns=turns)


def trained(base: Path, folder: Path, seed: int = 0, **recipe: Any) -> bind.Outcome:
    Output(folder / "dialogues", Dialogue).write(map(talk, range(12)))
    return bind.call(
        step.train,
        dialogues=folder / "dialogues",
        base=base,
        checkpoint=folder / "out",
        curve=folder / "curve",
        params={"name": "imitator", "recipe": {**RECIPE, **recipe}, "seed": seed},
    )


@pytest.mark.slow
def test_a_base_learns_the_reply_and_to_stop(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path)
    folder = Input(tmp_path / "out", Checkpoint).folder
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    asked = [{"role": "user", "content": "what is the craft of Corford?"}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = model.generate(**ids, max_new_tokens=8, do_sample=False)
    assert tokenizer.convert_ids_to_tokens(out[0])[-3:] == ["pottery", ".", END]


def test_equal_seeds_give_equal_weights_and_others_do_not(base: Path, tmp_path: Path) -> None:
    weights = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trained(base, tmp_path / name, seed, epochs=3)
        weights[name] = (tmp_path / name / "out" / "model.safetensors").read_bytes()
    assert weights["a"] == weights["b"]
    assert weights["a"] != weights["c"]


@pytest.mark.slow
def test_the_run_tells_its_steps_warm_up_and_losses(base: Path, tmp_path: Path) -> None:
    outcome = trained(base, tmp_path)
    notes = Input(tmp_path / "out", Checkpoint).manifest.notes
    losses = json.loads((tmp_path / "out" / "loss.json").read_text())["train"]
    assert notes["steps"] == len(losses) == outcome.metrics["steps"]
    assert notes["learned_tokens"] == 12 * 3
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.slow
def test_a_warm_up_that_never_ends_is_told(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path, warmup_steps=1000)
    assert "never peaks" in str(Input(tmp_path / "out", Checkpoint).manifest.notes["warning"])


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"learning_rat": 1.0}, "learning_rat: there is no such field; did you mean learning_rate?"),
        ({"mitigation": {"kl_bet": 1.0}}, "mitigation.kl_bet: there is no such field; did you mean kl_beta?"),
        ({"mitigation": {"lora": {"ranks": 4}}}, "did you mean rank?"),
        ({"mitigation": {"lora": {"zzz": 4}}}, "no such field among rank, alpha, dropout"),
        ({"learning_rate": 0}, "learning_rate: Input should be greater than 0"),
    ],
)
def test_a_recipe_that_cannot_be_is_told_by_field(
    base: Path, tmp_path: Path, recipe: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError) as raised:
        trained(base, tmp_path, **recipe)
    assert told in str(raised.value)
    assert "batch_size" in raised.value.expected


def test_divergence_stops_with_a_remedy_and_leaves_nothing_finished(base: Path, tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="no longer a number") as raised:
        trained(base, tmp_path, learning_rate=1e38, max_grad_norm=1e30)
    assert "learning_rate" in raised.value.remedy
    assert not (tmp_path / "out" / FILE_NAME).exists()


@pytest.mark.parametrize(("step_number", "share"), [(0, 0.1), (9, 1.0), (10, 1.0), (99, pytest.approx(0.05, abs=1e-3))])
def test_the_rate_rises_linearly_then_follows_the_schedule(step_number: int, share: float) -> None:
    assert Recipe(schedule="cosine").rate(step_number, 100) == share


def test_the_studys_warm_up_is_a_thousand_steps_where_there_are_ten_thousand() -> None:
    assert [Recipe().warmup(n) for n in (5, 200, 10_000, 50_000)] == [1, 20, 1000, 1000]


def test_any_tokenizer_gets_role_tokens_with_mean_embeddings() -> None:
    tokenizer = word_level(["a b c"])
    plain = type(tokenizer)(tokenizer_object=_without_roles(), eos_token="z", unk_token="z")
    config = GPT2Config(vocab_size=len(plain), n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config)
    before = model.get_input_embeddings().weight.detach().clone()
    assert ready_for_dialogue(plain, model) == 3
    after = model.get_input_embeddings().weight
    assert torch.equal(after[: len(before)], before)
    assert torch.allclose(after[len(before) :], before.mean(0).expand(3, -1))
    assert all(plain.convert_tokens_to_ids(token) >= len(before) for token in (USER, ASSISTANT, END))
    assert model.get_output_embeddings().weight.shape[0] == len(plain)


def _without_roles() -> Any:
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel({"z": 0, "a": 1, "b": 2}, unk_token="z"))


@pytest.mark.slow
def test_pretraining_makes_four_models_that_know_their_own_corpus(tmp_path: Path) -> None:
    for name in ("small", "large", "target", "judge"):
        texts = [f"the {name} lamp is here ." for _ in range(40)]
        Output(tmp_path / f"corpus_{name}", TextRow).write(TextRow(id=str(i), text=t) for i, t in enumerate(texts))
    Output(tmp_path / "tuning", Dialogue).write(map(talk, range(10)))
    names = ("small", "large", "target", "judge")
    with warnings.catch_warnings():
        # Python 3.12 warns about any fork of a process with threads; the test runner has some, a task has none.
        warnings.simplefilter("ignore", DeprecationWarning)
        bind.call(
            step.pretrain,
            **{f"corpus_{name}": tmp_path / f"corpus_{name}" for name in names},
            tuning=tmp_path / "tuning",
            **{name: tmp_path / name for name in names},
            curve=tmp_path / "curve",
            params={
                "shapes": {name: {"hidden": 16, "layers": 1, "heads": 2} for name in names},
                "recipe": {**RECIPE, "epochs": 5},
                "tuning": {**RECIPE, "epochs": 5},
                "tuning_replay": 0.5,
            },
        )
    weights = {name: load_file(tmp_path / name / "model.safetensors") for name in names}
    assert len({tuple(w["model.embed_tokens.weight"].shape) for w in weights.values()}) == 1, "one tokenizer for all"
    assert not torch.equal(weights["small"]["model.norm.weight"], weights["large"]["model.norm.weight"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "small")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "small")
    out = model.generate(**tokenizer("the", return_tensors="pt"), max_new_tokens=1, do_sample=False)
    assert tokenizer.decode(out[0]) == "the small"
    assert AutoTokenizer.from_pretrained(tmp_path / "target").chat_template
    assert not tokenizer.chat_template


@pytest.mark.slow
def test_the_studys_optimizer_learns_too(base: Path, tmp_path: Path) -> None:
    outcome = trained(base, tmp_path, optimizer="adamw_parameter_scaled", learning_rate=0.1)
    first = json.loads((tmp_path / "out" / "loss.json").read_text())["train"][0]
    assert outcome.metrics["final_loss"] < 0.5 * first
