"""Slots, prompts and their groups, stop strings: the parts of the decoding loop."""

import random

import numpy as np
import pytest
import torch

from components.generate.hf.decoding import pass_sizes, shared_length
from components.generate.hf.fit import num_layers
from components.generate.hf.prompts import WORTH_TOKENS, prefix_groups
from components.generate.hf.sampling import BROKEN, choose, nucleus
from components.generate.hf.slots import Slots
from components.generate.hf.steps import FixedSteps, Steps, read_prompts
from components.generate.hf.stops import StopWatch, text_until
from tests.unit.generate.architectures import bytes_tokenizer, random_model
from tests.unit.generate.conftest import tokenizer


def alone(model: torch.nn.Module, tokens: list[int]) -> torch.Tensor:
    return model(torch.tensor([tokens]), use_cache=False).logits[0, -1]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@torch.inference_mode()
def test_rows_that_come_and_go_have_the_logits_that_they_have_alone(name: str) -> None:
    model = random_model(name, tokenizer()).model
    draw = random.Random(0)
    prefix = [draw.randrange(3, 300) for _ in range(6)]
    rows = [[*prefix, *(draw.randrange(3, 300) for _ in range(length))] for length in (4, 9, 1, 6)]
    slots = Slots(num_layers(model), 3, 40)
    steps = Steps(model, slots)
    slots.expect_prompts(0, 0)
    read_prompts(model, slots, torch.tensor([prefix]), 0)
    slots.spread(6)
    live = []
    for slot, row in enumerate(rows[:3]):
        if len(row) > 7:
            slots.expect_prompts(slot, 6)
            read_prompts(model, slots, torch.tensor([row[6:-1]]), 6)
        live.append(row)
    for turn in range(12):
        if turn == 5:  # the first row leaves, the last moves into its slot, another comes
            slots.copy(2, 0, 6, len(live[2]) - 1)
            live = [live[2], live[1]]
            slots.expect_prompts(2, 6)
            read_prompts(model, slots, torch.tensor([rows[3][6:-1]]), 6)
            live.append(rows[3])
        logits = steps(
            torch.tensor([row[-1] for row in live]),
            torch.tensor([len(row) - 1 for row in live]),
            max(map(len, live)),
        )
        for found, row in zip(logits, live, strict=True):
            torch.testing.assert_close(found, alone(model, row), atol=1e-4, rtol=1e-4)
            row.append(draw.randrange(3, 300))


@torch.inference_mode()
def test_fixed_steps_leave_the_columns_of_waiting_slots_alone() -> None:
    model = random_model("llama", tokenizer()).model
    slots = Slots(num_layers(model), 4, 300)
    slots.expect_prompts(0, 0)
    read_prompts(model, slots, torch.tensor([[5, 6, 7, 8]]), 0)
    slots.spread(4)
    before = [layer.keys.clone() for layer in slots.layers]
    shapes: list[tuple[int, int]] = []

    def record(step):  # type: ignore[no-untyped-def]
        def told(ids, at, index, mask):  # type: ignore[no-untyped-def]
            shapes.append((len(ids), mask.shape[-1]))
            return step(ids, at, index, mask)

        return told

    steps = FixedSteps(model, slots, 4, record)
    for columns in (5, 256, 257):
        one = torch.tensor([9, 9, 9])
        logits = steps(one, torch.tensor([4, 4, 4]), columns)
        torch.testing.assert_close(logits, Steps(model, slots)(one, torch.tensor([4, 4, 4]), 5), atol=1e-4, rtol=1e-4)
    assert shapes == [(4, 256), (4, 256), (4, 300)]
    assert [steps.width(n) for n in (1, 2, 3, 4)] == [1, 2, 4, 4]
    for layer, keys in zip(slots.layers, before, strict=True):
        assert torch.equal(layer.keys[:, :4], keys[:, :4])
        assert not layer.keys[:, 5:].any()


def test_wiped_slots_hold_numbers_again() -> None:
    slots = Slots(1, 2, 5)
    slots.expect_prompts(0, 0)
    slots.update(torch.full((2, 1, 5, 3), torch.nan), torch.full((2, 1, 5, 3), torch.nan), 0)
    slots.wipe(1, 2)
    (layer,) = slots.layers
    assert layer.keys[1, 2:].eq(0).all()
    assert layer.keys[1, :2].isnan().all()
    assert layer.keys[0].isnan().all()
    assert slots.num_bytes == 2 * 2 * 5 * 3 * 4
    slots.release()
    assert slots.num_bytes == 0


def test_texts_are_cut_at_stops_in_their_order() -> None:
    assert text_until("one. two\n", ("\n", ".")) == ("one", True)
    assert text_until("one", ("\n", "")) == ("one", False)
    # As lm_eval cuts: the first stop decides, and what it leaves no longer holds the second.
    assert text_until("abc", ("c", "bc")) == ("ab", True)
    assert text_until("abc", ("bc", "c")) == ("a", True)


@pytest.mark.parametrize("stops", [("\n", "."), ("é",), ("the",), ("x\n\ny", "zé"), (" fox",), ("é" * 12,)])
@pytest.mark.parametrize("make", [tokenizer, bytes_tokenizer])
def test_a_watch_sees_what_decoding_at_every_step_sees(stops: tuple[str, ...], make) -> None:  # type: ignore[no-untyped-def]
    tok = make()
    texts = ["the fox\n\nthe fox. the café", "x\n\ny", "fox zé fox zé", "no stop", "zü é\n\nx the fox\n\nfox", "é" * 13]
    for text in texts:
        watch, written, seen = StopWatch(tok, stops), list[int](), None
        tokens = tok.encode(text, add_special_tokens=False)
        for token in tokens:
            written.append(token)
            if watch.may_end(torch.tensor([token]).numpy())[0] and watch.ended(written):
                seen = len(written)
                break
        told = [n for n in range(1, len(tokens) + 1) if text_until(tok.decode(tokens[:n]), stops)[1]]
        assert seen == (told[0] if told else None)


def test_most_tokens_are_told_to_end_nothing_without_decoding_the_row() -> None:
    tok = tokenizer()
    watch = StopWatch(tok, ("\n",))
    tokens = torch.tensor(tok.encode("the quick brown fox\n", add_special_tokens=False)).numpy()
    assert watch.may_end(tokens).tolist() == [False] * (len(tokens) - 1) + [True]
    assert not StopWatch(tok, ("",)).may_end(tokens).any()


def test_a_token_is_the_first_whose_cumulative_share_passes_the_draw() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]]).expand(5, -1).log_softmax(-1)
    draws = np.array([0.0, 0.4999, 0.5, 0.9999, 0.3])
    temperatures = np.array([1, 1, 1, 1, 0], dtype=np.float32)
    # A token of share 0 is never drawn, not even by 0; the last row is greedy and takes the first of two alike.
    assert choose(logits, temperatures, np.ones_like(temperatures), draws).tolist() == [1, 1, 2, 2, 1]
    broken = torch.tensor([[torch.nan, 1.0], [torch.inf, 1.0], [-torch.inf, -torch.inf], [0.0, 1.0]])
    whole = np.ones(4, dtype=np.float32)
    assert choose(broken, temperatures[:4], whole, draws[:4] / 10).tolist() == [BROKEN, BROKEN, BROKEN, 0]


def test_passes_begin_where_padding_would_cost_more() -> None:
    assert pass_sizes([], 100, 8) == []
    assert pass_sizes([10, 9, 8, 8], 100, 8) == [4]
    assert pass_sizes([10, 9, 2, 2], 100, 8) == [2, 2]
    assert pass_sizes([10, 10, 10], 20, 8) == [2, 1]
    assert pass_sizes([500, 1], 100, 8) == [1, 1]


def test_a_token_of_each_prompt_is_left_to_read() -> None:
    assert shared_length([(1, 2, 3, 4, 5), (1, 2, 3, 4, 6)]) == 4
    assert shared_length([(1, 2, 3, 4, 5), (1, 2, 3, 4, 5)]) == 4
    assert shared_length([(1, 2, 3, 4, 5)]) == 0
    assert shared_length([(1, 2, 3), (1, 2, 3)]) == 0  # too few to be worth it


def test_prompts_are_grouped_by_what_they_save() -> None:
    draw = random.Random(0)

    def noise(length: int) -> tuple[int, ...]:
        return tuple(draw.randrange(1000, 10**6) for _ in range(length))

    head, one, two = noise(30), noise(100), noise(200)
    loose = [noise(draw.randint(1, 40)) for _ in range(50)]
    under_head = [head + noise(5) for _ in range(70)]
    first = [head + one + noise(draw.randint(1, 9)) for _ in range(60)]
    second = [head + two + noise(3) for _ in range(60)]
    few = [noise(3) + (7,) * 20 + noise(2)] * 3
    rows = [*loose, *under_head, *first, *second, *few]
    draw.shuffle(rows)
    groups = [sorted(rows[i] for i in group) for group in prefix_groups(rows)]
    assert sorted(map(len, groups)) == [53, 60, 60, 70]
    for expected in (first, second, under_head, [*loose, *few]):
        assert sorted(expected) in groups
    assert prefix_groups([]) == []
    assert prefix_groups([(1, 2)]) == [[0]]


def test_a_group_must_be_worth_it() -> None:
    worth, less = WORTH_TOKENS // 20 + 1, WORTH_TOKENS // 20 - 2
    rows = [(k, *range(length), 10**6 + i) for k, length in ((1, worth), (2, less), (3, less)) for i in range(20)]
    assert sorted(sorted(group) for group in prefix_groups(rows)) == [list(range(20)), list(range(20, 60))]


def test_a_nucleus_leaves_the_likeliest_tokens_that_transformers_leaves() -> None:
    from transformers import TopPLogitsWarper

    torch.manual_seed(0)
    logits = torch.randn(50, 40)
    for top_p in (0.05, 0.5, 0.9):
        kept = nucleus(logits.softmax(-1).double(), torch.full((50,), top_p)) > 0
        expected = TopPLogitsWarper(top_p)(torch.zeros(50, 1, dtype=torch.long), logits).isfinite()
        assert torch.equal(kept, expected)


def test_draws_from_a_nucleus_follow_its_shares_and_no_other_row() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]]).expand(4000, -1)
    ones = np.ones(4000, dtype=np.float32)
    draws = (np.arange(4000) + 0.5) / 4000
    found = choose(logits, ones, np.where(np.arange(4000) % 2, 1.0, 0.8).astype(np.float32), draws)
    shares = logits[0].softmax(-1).numpy()
    inside = np.bincount(found[::2], minlength=4) / 2000
    np.testing.assert_allclose(inside, [*(shares[:2] / shares[:2].sum()), 0, 0], atol=2e-3)
    np.testing.assert_allclose(np.bincount(found[1::2], minlength=4) / 2000, shares, atol=2e-3)
