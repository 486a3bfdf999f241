"""Completions beside transformers' generate and lm_eval's generate_until."""

import dataclasses
import logging
import logging.handlers
import queue
import shutil
import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Completion, Request
from components.generate.hf import completions, fit
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.decoding import Decoder
from components.generate.hf.prompts import prompts_of
from components.generate.hf.sampling import end_tokens, uniforms
from components.generate.hf.stops import UNFINISHED, decode
from components.generate.hf.work import Counts
from tests.unit.generate import architectures
from tests.unit.generate.architectures import (
    CONTEXT,
    beginning_tokenizer,
    bytes_tokenizer,
    random_model,
    reference,
)
from tests.unit.generate.conftest import tokenizer

pytestmark = pytest.mark.slow  # left to make test

SHOTS = "Question: what jumps? Answer: the fox\nQuestion: what is lazy? Answer: the dog\n"
SUBJECTS = ("it", "the quick brown fox", "one", "an ox or a dog", "1. one 2. two", "who", "lazy")
IN_SLOTS = ("gpt2", "llama", "gpt_neox", "qwen3", "opt", "gemma2", "mixtral", "deepseek_v3", "gptj")
IN_THE_PLAIN_WAY = ("mistral_window", "bloom", "mamba")
QUICK = ("gpt2", "llama", "gpt_neox", "mistral_window")


def slow(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


def asked(count: int = 12, *, shots: str = SHOTS, **changes: Any) -> list[Request]:
    made = []
    for i in range(count):
        prompt = f"{shots}Question: what is {SUBJECTS[i % len(SUBJECTS)]}{' and more' * (i % 4)}? Answer:"
        settings = {"max_tokens": 3 + 5 * i % 17, "seed": i, **changes}
        made.append(Request(id=str(i), kind="completion", prompt=prompt, **settings))
    return made


def answers(loaded: LoadedModel, requests: Sequence[Request], rows: int = 0) -> list[Completion]:
    found: dict[int, Any] = {}
    for unit in completions.plan(loaded, requests, range(len(requests))):
        done = completions.run(loaded, [requests[at] for at in unit.requests], "m", rows)
        found.update(zip(unit.requests, done.answers, strict=True))
    return [found[at] for at in range(len(requests))]


def texts(loaded: LoadedModel, requests: Sequence[Request], rows: int = 0) -> list[str]:
    return [row.text for row in answers(loaded, requests, rows)]


def generated(loaded: LoadedModel, request: Request, **changes: Any) -> str:
    """transformers' own greedy text, one prompt at a time."""
    ids = torch.tensor([prompts_of(loaded, [request])[0].tokens])
    ends = sorted(end_tokens(loaded.model, loaded.tokenizer))
    settings = {"max_new_tokens": request.max_tokens, "do_sample": False, "eos_token_id": ends, "pad_token_id": 0}
    out = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), **{**settings, **changes})
    decoded = loaded.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    return str(decoded)


def until(loaded: LoadedModel, requests: Sequence[Request]) -> list[str]:
    """What lm_eval's generate_until makes of the same requests."""
    model = reference(loaded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lm_eval.api.instance import Instance

        model.tokenizer.pad_token_id = 0
        instances = [
            Instance("generate_until", {}, (r.prompt, {"until": list(r.stop), "max_gen_toks": r.max_tokens}), i)
            for i, r in enumerate(requests)
        ]
        return list(model.generate_until(instances, disable_tqdm=True))


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    return random_model("llama", tokenizer())


@pytest.mark.parametrize("name", [*QUICK, *slow(*IN_SLOTS[3:], *IN_THE_PLAIN_WAY[1:])])
def test_greedy_texts_equal_transformers_generate(name: str) -> None:
    loaded = random_model(name, tokenizer())
    requests = asked()
    expected = [generated(loaded, request) for request in requests]
    assert len(set(expected)) > 3
    for rows in (1, 3, 0):
        assert texts(loaded, requests, rows) == expected


@pytest.mark.parametrize(("name", "slots"), [*((n, True) for n in IN_SLOTS), *((n, False) for n in IN_THE_PLAIN_WAY)])
def test_architectures_go_the_way_that_their_cache_allows(name: str, slots: bool) -> None:
    assert (fit.why_not_slots(random_model(name, tokenizer()).model, 100) == "") is slots


def test_a_sliding_window_is_no_hindrance_to_rows_that_fit_into_it() -> None:
    loaded = random_model("mistral_window", tokenizer())
    assert fit.why_not_slots(loaded.model, 32) == ""
    requests = [Request(id=s, kind="completion", prompt=s, max_tokens=14) for s in SUBJECTS]
    assert max(len(prompt.tokens) for prompt in prompts_of(loaded, requests)) <= 18
    assert texts(loaded, requests, 4) == [generated(loaded, request) for request in requests]


def test_a_rotation_that_the_longest_row_decides_keeps_rows_out_of_slots() -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0, "original_max_position_embeddings": 64}
    torch.manual_seed(0)
    settings = architectures.config("llama", len(tokenizer()))
    settings.rope_parameters = rope
    loaded = LoadedModel(LlamaForCausalLM(settings).eval(), tokenizer(), torch.device("cpu"))
    assert fit.why_not_slots(loaded.model, 64) == ""
    assert "rotates positions" in fit.why_not_slots(loaded.model, 65)


def test_a_model_that_counts_positions_in_its_own_way_is_found_out() -> None:
    model = random_model("llama", tokenizer()).model

    def own_way(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return args, {**kwargs, "position_ids": None}

    model.register_forward_pre_hook(own_way, with_kwargs=True)
    assert "in slots its logits come out" in fit.why_not_slots(model, 50)


def test_the_plain_way_is_said_once() -> None:
    loaded = random_model("mamba", tokenizer())
    # The tests run without pytest's own handlers of logs, and so without its fixture for them: see the Makefile.
    said: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueHandler(said)
    logging.getLogger(fit.__name__).addHandler(listener)
    try:
        texts(loaded, asked(3))
        texts(loaded, asked(3))
    finally:
        logging.getLogger(fit.__name__).removeHandler(listener)
    assert [said.get_nowait().getMessage() for _ in range(said.qsize())] == [
        "MambaForCausalLM: its state is not keys and values of tokens; completions go the plain, slower way"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "llama", *slow("gpt_neox", "mamba")])
def test_stops_cut_texts_as_lm_eval_does(name: str) -> None:
    loaded = random_model(name, tokenizer())
    requests = asked(6, max_tokens=24)
    # Half a character is shown as a sign of its own, which is no part of the text.
    pieces = [piece for text in texts(loaded, requests) for piece in text.split(UNFINISHED) if len(piece) > 3]
    one, two, *_ = sorted(pieces, key=len)[::-1]
    # A character, some of several tokens, two of which the first is longer, an overlap, one that never comes.
    for stop in ((one[2],), (two[1:4],), (one[1:5], two[:2]), (one[1:3], one[:2]), ("never to be seen",)):
        stopping = [request.model_copy(update={"stop": stop}) for request in requests]
        found = texts(loaded, stopping, 4)
        assert found == until(loaded, stopping)
        assert (found != texts(loaded, requests)) is (stop != ("never to be seen",))


def test_a_stop_of_characters_that_are_several_tokens_each() -> None:
    loaded = random_model("llama", bytes_tokenizer())
    with torch.no_grad():
        # The model writes é (two bytes, two tokens) and ﬂ (three) again and again.
        cycle = loaded.tokenizer.encode("caféﬂow", add_special_tokens=False)
        _make_it_repeat(loaded.model, cycle)
    (row,) = answers(loaded, [Request(id="1", kind="completion", prompt="c", max_tokens=40)])
    assert row.text.startswith("aféﬂowcaféﬂow")
    for stop in ("é", "ﬂ", "éﬂ", "fé"):
        request = Request(id="1", kind="completion", prompt="c", max_tokens=40, stop=(stop,))
        (cut,) = answers(loaded, [request])
        assert cut.text == row.text[: row.text.index(stop)] == until(loaded, [request])[0]
        assert cut.finish == "stop"
        # It stopped there and then, and did not write on.
        assert cut.num_tokens == len((cut.text + stop).encode())


def _make_it_repeat(model: Any, cycle: Sequence[int]) -> None:
    """Weights with which each token of `cycle` is followed by the next, whatever came before."""
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    model.model.embed_tokens.weight.zero_()
    model.lm_head.weight.zero_()
    for dimension, (token, following) in enumerate(zip(cycle, [*cycle[1:], cycle[0]], strict=True)):
        model.model.embed_tokens.weight[token, dimension] = 1
        model.lm_head.weight[following, dimension] = 1


def test_chats_and_beginnings_read_as_the_tokenizer_writes_them() -> None:
    loaded = random_model("llama", beginning_tokenizer())
    for chat in (False, True):
        requests = asked(5, chat=chat)
        for request, text in zip(requests, texts(loaded, requests, 2), strict=True):
            if chat:
                message = [{"role": "user", "content": request.prompt}]
                ids = loaded.tokenizer.apply_chat_template(message, add_generation_prompt=True)["input_ids"]
            else:
                ids = loaded.tokenizer(request.prompt)["input_ids"]
            assert ids[0] == loaded.tokenizer.bos_token_id
            out = loaded.model.generate(torch.tensor([ids]), max_new_tokens=request.max_tokens, do_sample=False)
            assert text == loaded.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True)


def test_a_chat_request_without_template_is_refused(llama: LoadedModel) -> None:
    bare = dataclasses.replace(llama, tokenizer=tokenizer())
    bare.tokenizer.chat_template = None
    with pytest.raises(TouchstoneError, match="no chat template"):
        answers(bare, [Request(id="1", kind="completion", prompt="x", max_tokens=1, chat=True)])


def test_the_end_token_ends_the_text_and_is_no_part_of_it(llama: LoadedModel) -> None:
    requests = [
        Request(id=str(i), kind="completion", prompt="the", max_tokens=200, temperature=3.0, seed=i) for i in range(40)
    ]
    rows = answers(llama, requests)
    ended = [row for row in rows if row.finish == "stop"]
    assert ended
    assert all(row.num_tokens is not None and row.num_tokens < 200 for row in ended)
    assert all("<|end|>" not in row.text for row in rows)


def test_max_tokens_is_exact_and_none_asks_for_none(llama: LoadedModel) -> None:
    loaded = dataclasses.replace(llama)
    requests = [Request(id=str(n), kind="completion", prompt="the fox", max_tokens=n) for n in (0, 1, 2, 7)]
    rows = answers(loaded, requests)
    full = [row for row in rows if row.finish == "length"]
    assert [(row.prompt_id, row.num_tokens) for row in full] == [(str(n), n) for n in (0, 1, 2, 7)]
    assert rows[0].text == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", *slow("gpt2", "mamba")])
def test_a_sample_does_not_depend_on_its_batch(name: str) -> None:
    loaded = random_model(name, tokenizer())
    requests = asked(temperature=1.0)
    alone = [texts(loaded, [request])[0] for request in requests]
    assert texts(loaded, requests, 5) == texts(loaded, requests) == alone
    greedy = asked(temperature=0.0)
    mixed = [pair[i % 2] for i, pair in enumerate(zip(requests, greedy, strict=True))]
    assert texts(loaded, mixed, 4)[0::2] == alone[0::2]
    assert texts(loaded, mixed, 4)[1::2] == texts(loaded, greedy)[1::2]


def test_another_seed_gives_another_sample(llama: LoadedModel) -> None:
    one, two = asked(temperature=1.0), [r.model_copy(update={"seed": r.seed + 100}) for r in asked(temperature=1.0)]
    assert texts(llama, one) == texts(llama, one)
    assert texts(llama, one) != texts(llama, two)


def test_the_random_stream_of_a_request_is_its_own() -> None:
    short, long = (Request(id="1", kind="completion", prompt="", max_tokens=n, seed=3) for n in (5, 300))
    assert uniforms(short).tolist() == uniforms(long)[:5].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", *slow("mamba")])
def test_samples_follow_the_models_distribution(name: str) -> None:
    loaded = random_model(name, tokenizer())
    requests = [
        Request(id=str(i), kind="completion", prompt="Question:", max_tokens=1, temperature=0.7, seed=i)
        for i in range(3000)
    ]
    written = texts(loaded, requests)
    with torch.inference_mode():
        ids = torch.tensor([loaded.tokenizer.encode("Question:", add_special_tokens=False)])
        shares = (loaded.model(ids).logits[0, -1] / 0.7).softmax(-1)
    expected: dict[str, float] = defaultdict(float)
    for token, share in enumerate(shares.tolist()):  # several tokens may read alike
        expected[loaded.tokenizer.decode([token], skip_special_tokens=True)] += share
    for text in sorted(expected, key=lambda text: -expected[text])[:5]:
        found = sum(row == text for row in written) / len(written)
        assert found == pytest.approx(expected[text], abs=4 * (0.25 / 3000) ** 0.5)


def test_repeated_prompts_are_read_once(llama: LoadedModel) -> None:
    long, short = SHOTS + "Question: what is one?", SHOTS + "Question:"
    requests = [
        Request(id=f"{at}#{n}", kind="completion", prompt=prompt, max_tokens=3 + n, temperature=1.0, seed=n)
        for n in range(6)
        for at, prompt in enumerate((long, short))
    ]
    done = completions.run(llama, requests, "m", 4)
    assert [row.text for row in done.answers] == [texts(llama, [request])[0] for request in requests]
    # Whenever a row comes, one with the same prompt is still there: all of the longer prompt but its end is read once.
    assert done.counts.computed_tokens - done.counts.projected_positions == len(_tokens(llama, long)) - 1


def _tokens(loaded: LoadedModel, prompt: str) -> tuple[int, ...]:
    return prompts_of(loaded, [Request(id="1", kind="completion", prompt=prompt)])[0].tokens


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "mamba"])
def test_a_prompt_beyond_the_context_is_cut_as_lm_eval_cuts_it(name: str) -> None:
    loaded = random_model(name, tokenizer())
    if name == "mamba":
        loaded.model.config.max_position_embeddings = CONTEXT
    long = "fox " * 400 + "the quick brown"
    requests = [Request(id=str(n), kind="completion", prompt=long, max_tokens=n) for n in (8, 40)]
    requests.append(Request(id="short", kind="completion", prompt="the fox", max_tokens=8))
    rows = answers(loaded, requests)
    assert [row.text for row in rows] == until(loaded, requests)
    length = len(loaded.tokenizer.encode(long, add_special_tokens=False))
    assert [row.cut_tokens for row in rows] == [length - (CONTEXT - 8), length - (CONTEXT - 40), 0]


def test_a_prompt_that_cannot_be_read_is_unanswered_and_says_why(llama: LoadedModel) -> None:
    requests = [
        Request(id="no", kind="completion", prompt="the fox", max_tokens=CONTEXT),
        Request(id="yes", kind="completion", prompt="the fox", max_tokens=CONTEXT - 1),
    ]
    no, yes = answers(llama, requests)
    assert (no.text, no.finish, no.num_tokens) == ("", "unknown", None)
    assert no.unanswered == "max_tokens 256 leaves no room for a prompt in the model's 256 tokens"
    assert yes.unanswered is None
    assert yes.cut_tokens == len(llama.tokenizer.encode("the fox", add_special_tokens=False)) - 1


@pytest.mark.parametrize("name", ["llama", "mamba"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_end_their_row_only(name: str, value: float) -> None:
    loaded = random_model(name, tokenizer())
    requests = asked(10, temperature=1.0, max_tokens=10)
    poisoned = [r.model_copy(update={"prompt": r.prompt + "Z"}) if i % 3 == 0 else r for i, r in enumerate(requests)]
    (token,) = loaded.tokenizer.encode("Z", add_special_tokens=False)
    sane = texts(loaded, requests)
    embeddings = loaded.model.get_input_embeddings()
    untied = embeddings.weight is not loaded.model.get_output_embeddings().weight
    if not untied:
        loaded.model.get_output_embeddings().weight = torch.nn.Parameter(embeddings.weight.clone())
    with torch.no_grad():
        embeddings.weight[token] = value
    for rows in (3, 0):
        for at, row in enumerate(answers(loaded, poisoned, rows)):
            if at % 3 == 0:
                assert (row.text, row.unanswered) == ("", "the model's output is not a number")
            elif "Z" not in sane[at]:
                assert (row.text, row.unanswered) == (sane[at], None)


def test_padding_that_is_not_a_number_does_no_harm() -> None:
    loaded = random_model("llama", tokenizer())
    requests = asked(8)
    expected = texts(loaded, requests)
    with torch.no_grad():
        loaded.model.model.embed_tokens.weight[0] = torch.nan
    assert texts(loaded, requests) == expected


def test_counts_of_a_case_made_by_hand(llama: LoadedModel) -> None:
    # A model that writes a b c d e a b ...: texts end at their stop or their limit.
    loaded = random_model("llama", bytes_tokenizer())
    with torch.no_grad():
        _make_it_repeat(loaded.model, loaded.tokenizer.encode("abcde", add_special_tokens=False))
    requests = [
        Request(id="0", kind="completion", prompt="12345xyza", max_tokens=4),  # bcde
        Request(id="1", kind="completion", prompt="12345a", max_tokens=9, stop=("d",)),  # bc, stopped at its third
        Request(id="2", kind="completion", prompt="12345wb", max_tokens=1),  # c
    ]
    done = completions.run(loaded, requests, "m", 2)
    assert [row.text for row in done.answers] == ["bcde", "bc", "c"]
    # Read once: 12345. Two slots, longest prompts first: "xyz" and "w" before their last tokens, w with two of padding.
    # Steps: rows 0 and 2; 2 leaves and 1 comes, without anything to read; 0 and 1 three times; both leave.
    prefix, read, steps = 5, 3 + 1, 2 + 2 + 2 + 2
    assert done.counts == Counts(
        input_tokens=(9 + 3) + (6 + 2) + 7,
        computed_tokens=prefix + read + steps,
        padding_tokens=2,
        projected_positions=steps,
        # Two slots of 14 columns (prompt 1 and its 9 tokens but the last), 2 layers, keys and values, 2 x 12 floats.
        cache_bytes=2 * 14 * 2 * 2 * 2 * 12 * 4,
    )
    assert done.counts.computed_tokens == done.counts.input_tokens - 2 * prefix


def test_slots_that_are_fixed_give_the_same_texts_and_count_their_idle_rows(llama: LoadedModel) -> None:
    requests = asked(temperature=1.0)
    expected = texts(llama, requests)
    with torch.inference_mode():
        prompts = [prompt.tokens for prompt in prompts_of(llama, requests)]
        decoder = Decoder(llama, requests, prompts, 5, fixed=True, record=lambda step: step)
        written = decoder.run()
    assert [decode(llama.tokenizer, row.tokens) for row in written] == expected
    assert decoder.counts.padding_tokens > 0
    assert decoder.counts.projected_positions > sum(len(row.tokens) + row.ended for row in written)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", *slow("inductor")])
def test_a_step_of_fixed_shape_is_one_graph(llama: LoadedModel, backend: str) -> None:
    if backend == "inductor" and not (shutil.which("c++") or shutil.which("g++")):
        pytest.skip("no C++ compiler")
    requests = asked(4, max_tokens=4)
    expected = texts(llama, requests)

    def record(step: Any) -> Any:
        # fullgraph: nothing in a step looks at a value or leaves the graph, which a CUDA graph asks for as well.
        return torch.compile(step, fullgraph=True, dynamic=False, backend=backend)

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's compiler warns of its own parts
        prompts = [prompt.tokens for prompt in prompts_of(llama, requests)]
        written = Decoder(llama, requests, prompts, 4, fixed=True, record=record).run()
    assert [decode(llama.tokenizer, row.tokens) for row in written] == expected


def test_units_are_cut_by_requests_and_tokens_alone(llama: LoadedModel) -> None:
    few = [Request(id=f"f{i}", kind="completion", prompt=f"{i} fox", max_tokens=20) for i in range(700)]
    many = [Request(id=f"m{i}", kind="completion", prompt=f"{SHOTS}{i}?", max_tokens=32, seed=i) for i in range(600)]
    long = [Request(id=f"l{i}", kind="completion", prompt=f"{i} dog", max_tokens=300) for i in range(130)]
    requests = [*few, *many, *long]
    requests.insert(5, Request(id="c", kind="choice", prompt="x", choices=(" a",)))
    positions = [i for i, r in enumerate(requests) if r.kind == "completion"]
    units = completions.plan(llama, requests, positions)
    assert sorted(at for unit in units for at in unit.requests) == positions
    kinds = [{requests[at].id[0] for at in unit.requests} for unit in units]
    assert all(len(kind) == 1 for kind in kinds)
    sizes = [(min(kind), len(unit.requests)) for kind, unit in zip(kinds, units, strict=True)]
    assert sorted(sizes) == [("f", 350), ("f", 350), ("l", 65), ("l", 65), ("m", 300), ("m", 300)]
    assert units == completions.plan(llama, requests, positions)


def test_a_unit_gives_the_same_bits_again(llama: LoadedModel) -> None:
    requests = asked(20, temperature=1.0)
    first, second = (completions.run(llama, requests, "m", 3) for _ in range(2))
    assert first == second


def test_out_of_memory_goes_through_and_holds_nothing(llama: LoadedModel) -> None:
    requests = asked()
    held: list[Any] = []

    def fail(module: Any, args: Any, kwargs: Any) -> None:
        held.append(kwargs["past_key_values"])
        if len(held) == 4:
            raise torch.OutOfMemoryError("no memory left")

    hook = llama.model.model.register_forward_pre_hook(fail, with_kwargs=True)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            completions.run(llama, requests, "m", 6)
    finally:
        hook.remove()
    assert held[-1].num_bytes == 0
    assert [row.text for row in completions.run(llama, requests, "m", 3).answers] == texts(llama, requests)


def test_rows_suit_the_memory(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = asked(200, max_tokens=50)
    assert fit.bytes_per_token(llama.model) == 2 * 2 * 2 * 12 * 4
    assert completions.rows_for(llama, requests) == completions.CPU_ROWS
    longest = max(len(prompt.tokens) for prompt in prompts_of(llama, requests)) + 50
    row = longest * fit.bytes_per_token(llama.model) + 16 * llama.model.config.vocab_size
    monkeypatch.setattr("os.sysconf", lambda name: 40 * row if name == "SC_PHYS_PAGES" else 1)
    assert completions.rows_for(llama, requests) == 10
    assert completions.rows_for(llama, requests[:2]) == 2
    monkeypatch.setattr("os.sysconf", lambda name: 1)
    assert completions.rows_for(llama, requests) == 1
