"""What a plan says of a model is what a real model of that configuration has, keeps and computes."""

from __future__ import annotations

import copy
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, GptOssConfig, MixtralConfig, Qwen2Config, Qwen3MoeConfig

from components.train.chunking import Blocks
from components.train.loop import Training
from components.train.losses import PIECE_ROWS, PIECE_ROWS_GPU
from components.train.mitigations.adapters import adapted
from components.train.recipe import Recipe
from components.train.speed import Work as DoneWork
from components.train.speed import cost
from pipelines.plan import compute, memory, shapes
from pipelines.plan.memory import Setting

pytestmark = pytest.mark.slow  # left to make test

HERE = Path("config.json")


class Living(TorchDispatchMode):
    """Bytes of all tensors' storages that exist at once, at most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = self._now = 0
        self._sizes: dict[int, int] = {}

    def see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._sizes:
            self._sizes[storage._cdata] = storage.nbytes()
            self._now += storage.nbytes()
            self.most = max(self.most, self._now)
            weakref.finalize(storage, self._gone, storage._cdata)

    def _gone(self, key: int) -> None:
        self._now -= self._sizes.pop(key)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self.see(leaf)
        return made


def real(config: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def tied(config: Any, tie: bool) -> Any:
    changed = type(config).from_dict(config.to_dict())
    changed.tie_word_embeddings = tie
    return changed


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_parameters_are_those_of_the_model(name: str, tie: bool, request: pytest.FixtureRequest) -> None:
    config = tied(request.getfixturevalue(name), tie)
    model, found = real(config), shapes.shape(config, HERE)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.head == model.get_output_embeddings().weight.numel()
    assert found.largest_layer == sum(
        p.numel() for p in model.get_decoder().get_submodule("h" if name == "gpt2" else "layers")[0].parameters()
    )
    assert found.outside == found.parameters - found.layers * found.largest_layer
    assert found.layers == config.num_hidden_layers


def test_other_architectures_need_no_table_of_ours() -> None:
    config = Qwen2Config(
        vocab_size=500,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    assert shapes.shape(config, HERE).parameters == sum(p.numel() for p in real(config).parameters())
    assert shapes.activations(config, HERE, 32, "bfloat16") > 0


EXPERTS = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "num_experts_per_tok": 2}
MIXTURES = [
    Qwen3MoeConfig(vocab_size=500, hidden_size=64, **EXPERTS, num_experts=8, moe_intermediate_size=32),
    MixtralConfig(vocab_size=500, hidden_size=64, **EXPERTS, num_local_experts=4, intermediate_size=32),
    GptOssConfig(vocab_size=500, hidden_size=64, **EXPERTS, head_dim=16, num_local_experts=4, intermediate_size=32),
]


@pytest.mark.parametrize("config", MIXTURES, ids=lambda config: config.model_type)
def test_what_a_mixture_keeps_and_computes_is_that_of_the_experts_a_token_is_sent_to(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shapes.shape(config, HERE)
    assert found.parameters == sum(p.numel() for p in real(config).parameters())
    # As on a GPU, but for the kernel: its stand-in saves what it saves.
    monkeypatch.setattr("transformers.integrations.moe._can_use_grouped_mm", lambda *_: False)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, experts_implementation="grouped_mm").train()
    own = {part.untyped_storage().data_ptr() for part in [*model.parameters(), *model.buffers()]}
    kept: list[int] = []
    for rows in (1, 2):
        seen: dict[int, Any] = {}

        def see(tensor: Any, seen: dict[int, Any] = seen) -> Any:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                seen[storage.data_ptr()] = storage
            return tensor

        # torch.arange, not zeros: all experts are chosen.
        tokens, places = torch.arange(rows * 32).view(rows, 32), torch.arange(32).repeat(rows, 1)
        with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
            model.get_decoder()(input_ids=tokens, position_ids=places, use_cache=False)
        kept.append(sum(storage.nbytes() for storage in seen.values()))
    assert shapes.activations(config, HERE, 32, "float32") == pytest.approx(kept[1] - kept[0], rel=0.1)

    model = AutoModelForCausalLM.from_config(config, experts_implementation="eager", attn_implementation="eager")
    with FlopCounterMode(display=False) as counter:
        model(input_ids=tokens, use_cache=False).logits.sum().backward()
    work = compute.Work(tokens=64, learned=64, attended=2 * 32 * 32)
    assert compute.flops(found, work) == pytest.approx(counter.get_total_flops(), rel=0.02)
    assert cost(model).of(DoneWork(*work)) == pytest.approx(compute.flops(found, work), rel=0.01)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_adapters_are_planned_as_what_they_train(name: str, request: pytest.FixtureRequest) -> None:
    config = copy.deepcopy(request.getfixturevalue(name))  # its attention is changed below
    recipe = Recipe.model_validate({"mitigation": {"lora": {"rank": 4}}})
    model = adapted(real(config), recipe.mitigation.lora, range(3))
    found = shapes.shape(config, HERE)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert memory.trained_parameters(found, recipe) == trained
    tokens = torch.zeros(3, 64, dtype=torch.long)
    model.base_model.model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        model(input_ids=tokens, use_cache=False).logits.sum().backward()
    work = compute.Work(tokens=3 * 64, learned=3 * 64, attended=3 * 64 * 64)
    assert compute.flops(found, work, rank=4) == pytest.approx(counter.get_total_flops(), rel=0.05)
    assert cost(model).of(DoneWork(*work)) == pytest.approx(counter.get_total_flops(), rel=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adamw"},
        {"optimizer": "adamw_parameter_scaled"},
        {"recompute": True},
        {"mitigation": {"lora": {"rank": 4}}},
        {"precision": "bfloat16"},
        pytest.param({"precision": "bfloat16", "recompute": True}, marks=pytest.mark.slow),
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.filterwarnings("ignore")  # torch's, about recomputation on a CPU
def test_memory_is_that_of_a_training(name: str, changes: dict[str, Any], request: pytest.FixtureRequest) -> None:
    torch.set_num_threads(1)
    tokens = 256
    config = request.getfixturevalue(name)
    # Two parts of a batch: gradients of the first are there while the second is computed.
    recipe = Recipe(batch_size=2, rows_at_once=1, block_tokens=tokens, warmup_steps=1, **changes)
    draw = torch.randint(0, 1000, (2, tokens), generator=torch.Generator().manual_seed(0))
    places = torch.arange(tokens).repeat(2, 1)
    lora = recipe.mitigation.lora
    model = real(config) if lora is None else adapted(real(config), lora, range(3))
    training = Training(model, Blocks(draw, torch.ones_like(draw).bool(), places), recipe, seed=0)
    living = Living()
    for parameter in training.model.parameters():
        living.see(parameter)
    weights = living.most
    training.run()  # moments come with the first step
    for fields in training.optimizer.state.values():
        for value in fields.values():
            if isinstance(value, torch.Tensor):
                living.see(value)
    states = living.most - weights
    training.steps.clear()
    with living:
        training.run()
    kept = shapes.activations(config, HERE, tokens, recipe.precision, lora)
    setting = Setting("single", 1, 1, recipe.recompute)
    found = memory.memory(shapes.shape(config, HERE), kept, recipe, setting, piece_rows=PIECE_ROWS)
    assert states == pytest.approx(found.moments, rel=1e-3)
    fp32 = found.master or found.weights
    assert fp32 == pytest.approx(weights, rel=1e-3)
    assert 1.0 <= found.total / living.most < 1.15


def test_pieces_of_logits_are_as_large_as_training_makes_them() -> None:
    assert memory.PIECE_ROWS == PIECE_ROWS_GPU


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("length", [16, 128])
def test_operations_are_those_that_torch_counts(name: str, length: int, request: pytest.FixtureRequest) -> None:
    config = request.getfixturevalue(name)
    model = real(config)
    model.set_attn_implementation("eager")  # products by name: the counter does not know a CPU's fused kernel
    tokens = torch.zeros(3, length, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=tokens, use_cache=False).logits.sum().backward()
    # torch counts all T x T pairs: it does not see that half of them are masked.
    work = compute.Work(tokens=3 * length, learned=3 * length, attended=3 * length * length)
    shape = shapes.shape(config, HERE)
    assert compute.flops(shape, work) == pytest.approx(counter.get_total_flops(), rel=0.02)
    attention = compute.flops(shape, work) - compute.flops(shape, work._replace(attended=0))
    assert attention > 0


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_operations_are_those_by_which_training_tells_its_share_of_the_peak(
    name: str, request: pytest.FixtureRequest
) -> None:
    config = request.getfixturevalue(name)
    work = compute.Work(1000, 300, 5000)
    theirs = cost(real(config)).of(DoneWork(*work))
    # GPT-2's table of positions is looked up, not multiplied with; training's own count is the looser one there.
    assert compute.flops(shapes.shape(config, HERE), work) == pytest.approx(theirs, rel=0.1)


def test_documents_attend_to_themselves_and_end_with_their_block() -> None:
    assert compute.documents([3, 4], 5, block_tokens=8) == compute.Work(7, 5, 6 + 10)
    assert compute.documents([20], 20, block_tokens=8) == compute.Work(20, 20, 36 + 36 + 10)
    assert compute.full_blocks(16, 8) == compute.documents([16], 16, block_tokens=8)


def test_hours_are_operations_over_speed() -> None:
    assert compute.hours(3600e15, 1, 1e15, 0.5, recompute=False) == pytest.approx(2.0)
    assert compute.hours(3600e15, 4, 1e15, 0.5, recompute=True) == pytest.approx(2.0 / 3)


@pytest.mark.parametrize(
    ("engine", "weights", "gradients", "states"),
    [("ddp", 1, 1, 1), ("zero1", 1, 1, 4), ("zero2", 1, 4, 4), ("zero3", 4, 4, 4), ("fsdp", 4, 4, 4)],
)
def test_engines_divide_what_their_papers_say(
    llama: Any, engine: memory.Engine, weights: int, gradients: int, states: int
) -> None:
    shape = shapes.shape(llama, HERE)
    recipe = Recipe(precision="bfloat16", batch_size=8)
    alone = memory.memory(shape, 1000, recipe, Setting("single", 1, 1, False))
    shared = memory.memory(shape, 1000, recipe, Setting(engine, 4, 1, False))
    assert shared.weights * weights == pytest.approx(alone.weights, rel=1e-4)
    assert shared.gradients * gradients == pytest.approx(alone.gradients, rel=1e-4)
    assert (shared.moments + shared.master) * states == pytest.approx(alone.moments + alone.master, rel=1e-4)
    assert (shared.gathered > 0) == (engine in {"zero3", "fsdp"})


def test_the_states_of_a_parameter_are_the_eighteen_bytes_of_mixed_precision(llama: Any) -> None:
    shape = shapes.shape(llama, HERE)
    found = memory.memory(shape, 0, Recipe(precision="bfloat16"), Setting("single", 1, 1, False))
    assert sum((found.weights, found.gradients, found.moments, found.master)) == 18 * shape.parameters
