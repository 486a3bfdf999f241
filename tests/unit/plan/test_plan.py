"""`touchstone plan`: every cell of a sweep, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from components.contracts.devices import find, known
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Output
from components.contracts.rows import Turn
from components.train.models import Shape, new_model, save
from components.train.tokenizer import word_level
from pipelines.cli.plan import plan

pytestmark = pytest.mark.slow  # left to make test

BF16 = {"precision": "bfloat16", "block_tokens": 64, "batch_size": 8}


def told(*words: object, code: int = 0) -> str:
    found = CliRunner().invoke(plan, [str(word) for word in words])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == code, found.output
    return found.output


def planned(*words: object) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(told(*words, "--json"))
    return made


def recipe(**changes: Any) -> str:
    return json.dumps({**BF16, **changes})


def test_every_base_meets_every_amount(llama_folder: Path, gpt2_folder: Path) -> None:
    words = ("--tokens", "64k", "--tokens", "640k", "--device", "h100-sxm", "--price", 2.5, "--recipe", recipe())
    made = planned(llama_folder, gpt2_folder / "config.json", *words)
    assert [(c["base"], c["amount"]) for c in made["cells"]] == [
        ("tiny-llama", 64_000),
        ("tiny-llama", 640_000),
        ("tiny-gpt2", 64_000),
        ("tiny-gpt2", 640_000),
    ]
    small, large = made["cells"][:2]
    assert (small["steps"], large["steps"]) == (125, 1250)
    assert (small["warmup_steps"], large["warmup_steps"]) == (12, 125)
    assert large["flops"] == pytest.approx(10 * small["flops"])
    assert large["hours"] == pytest.approx(large["flops"] / (989e12 * 0.4) / 3600)
    assert large["cost"] == pytest.approx(2.5 * large["hours"])
    assert made["total"]["cost"] == pytest.approx(sum(c["cost"] for c in made["cells"]))
    assert all(base["fits"] for base in made["bases"])


def test_one_pass_costs_the_largest_cell(llama_folder: Path) -> None:
    words = (llama_folder, "--tokens", "64k", "--tokens", "640k", "--device", "h100-sxm", "--price", 1, "--nested")
    made = planned(*words, "--recipe", recipe(warmup_steps=10))
    assert made["total"]["cost"] == made["cells"][1]["cost"]
    assert "met within the largest" in told(*words, "--recipe", recipe(warmup_steps=10))


def test_parameters_of_train_name_the_engine(llama_folder: Path) -> None:
    words = (llama_folder, "--tokens", "64k", "--device", "l4", "--num", 2)
    assert planned(*words, "--recipe", json.dumps({"engine": "fsdp", "recipe": BF16}))["engine"] == "fsdp"
    assert planned(*words, "--recipe", recipe())["engine"] == "ddp"
    assert planned(*words[:-2], "--recipe", json.dumps({"engine": "tpu", "recipe": BF16}))["engine"] == "single"
    with pytest.raises(UsageError, match="names the engine steam"):
        planned(*words, "--recipe", json.dumps({"engine": "steam", "recipe": BF16}))


def test_mitigations_that_read_more_cost_more(llama_folder: Path) -> None:
    def operations(**mitigation: Any) -> float:
        words = (llama_folder, "--tokens", "64k", "--device", "l4", "--recipe", recipe(mitigation=mitigation))
        return float(planned(*words)["cells"][0]["flops"])

    plain = operations()
    assert operations(replay_share=0.2) == pytest.approx(plain / 0.8)
    assert operations(kl_beta=0.1) == pytest.approx(plain * 4 / 3)


def test_without_a_price_no_cost_is_invented(llama_folder: Path) -> None:
    made = planned(llama_folder, "--tokens", "1M", "--device", "a100-80gb", "--recipe", recipe())
    assert made["cells"][0]["cost"] is None
    assert made["total"]["cost"] is None
    assert any("no price" in note for note in made["notes"])


def test_a_warm_up_that_never_ends_is_told(llama_folder: Path) -> None:
    words = (llama_folder, "--tokens", "64k", "--device", "l4", "--recipe", recipe(warmup_steps=1000))
    assert planned(*words)["cells"][0]["warmup_never_ends"]
    assert "the warm-up never ends: 1,000 steps of it in a run of 125" in told(*words)


def test_what_does_not_fit_is_told_with_a_change_that_does(llama_folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("mine: {memory_gib: 0.05, bf16_tflops: 1}\n")
    words = (llama_folder, "--tokens", "64k", "--device", "mine", "--devices", own)
    [base] = planned(*words, "--recipe", recipe())["bases"]
    assert not base["fits"]
    assert base["change"] == "rows_at_once: 4"
    assert "does not fit" in told(*words, "--recipe", recipe())
    [mended] = planned(*words, "--recipe", recipe(rows_at_once=4))["bases"]
    assert mended["fits"]
    own.write_text("mine: {memory_gib: 0.025, bf16_tflops: 1}\n")
    [base] = planned(*words, "--recipe", recipe())["bases"]
    assert "--engine fsdp and --num" in base["change"]
    num = base["change"].rpartition(" ")[2]
    rows = {"rows_at_once": int(base["change"].split()[1])} if base["change"].startswith("rows") else {}
    again = recipe(**rows, recompute="recompute" in base["change"])
    assert planned(*words, "--recipe", again, "--engine", "fsdp", "--num", num)["bases"][0]["fits"]
    own.write_text("mine: {memory_gib: 0.001, bf16_tflops: 1}\n")
    assert "take a larger device" in str(planned(*words, "--recipe", recipe())["bases"][0]["change"])


def test_the_table_fits_a_hundred_columns_and_says_what_was_assumed(llama_folder: Path, gpt2_folder: Path) -> None:
    words = ("--tokens", "64k", "--tokens", "150M", "--device", "h100-sxm", "--num", 8, "--price", 3)
    shown = told(llama_folder, gpt2_folder, *words, "--engine", "zero3", "--recipe", recipe())
    assert max(map(len, shown.splitlines())) <= 100
    for part in ("tiny-llama", "weights", "moments", "fits", "40% of the peak", "warm-up", "PFLOP"):
        assert part in shown
    assert "fits" in told(
        llama_folder, "--tokens", "64k", "--device", "h100-sxm", "--recipe", recipe(precision="float32")
    )


def test_dialogues_are_counted_as_training_packs_them(tmp_path: Path) -> None:
    tokenizer = word_level(["hello yes no"])
    base = Output(tmp_path / "base", Checkpoint)
    save(base.folder, new_model(Shape(hidden=16, layers=1, heads=2), tokenizer, seed=0), tokenizer, {})
    base.commit()
    rows = [
        Dialogue(
            id=str(n),
            source="s",
            target="t",
            turns=(Turn(speaker="user", text="hello hello"), Turn(speaker="assistant", text="yes no")),
        )
        for n in range(10)
    ]
    Output(tmp_path / "dialogues", Dialogue).write(rows)
    words = ("--tokens", "5", "--tokens", "20", "--device", "l4", "--recipe", recipe(block_tokens=16, batch_size=2))
    made = planned(tmp_path / "base", *words, "--dialogues", tmp_path / "dialogues")
    # user, 2 words; assistant, 2 words, end: 7 tokens, 3 of them learned, 7 * 8 / 2 pairs
    assert [(c["dialogues"], c["work"]) for c in made["cells"]] == [
        (2, {"tokens": 14, "learned": 6, "attended": 56}),
        (10, {"tokens": 70, "learned": 30, "attended": 280}),
    ]
    assert [c["steps"] for c in made["cells"]] == [1, 3]
    with pytest.raises(TouchstoneError, match="same 10 dialogues"):
        planned(tmp_path / "base", *words[:4], "--tokens", "30", *words[4:], "--dialogues", tmp_path / "dialogues")


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        (["--tokens", "0"], {}, "--tokens 0"),
        (["--tokens", "2k", "--tokens", "1k"], {}, "do not increase"),
        (["--tokens", "1k", "--tokens", "1k"], {}, "do not increase"),
        (["--tokens", "1k", "--nested"], {"schedule": "cosine", "warmup_steps": 1}, "follows a cosine"),
        (["--tokens", "1k", "--nested"], {}, "warm-up is a share"),
        (["--tokens", "1k"], {"bath_size": 1}, "bath_size"),
        (["--tokens", "1k", "--engine", "single", "--num", "2"], {}, "engine single on 2 devices"),
        (["--tokens", "1k", "--num", "9"], {}, "9 devices for 8 blocks"),
    ],
)
def test_what_makes_no_sense_is_refused(
    llama_folder: Path, words: list[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        told(llama_folder, *words, "--device", "l4", "--recipe", recipe(**changes))


def test_an_unknown_device_is_answered_with_the_known_ones(llama_folder: Path) -> None:
    with pytest.raises(UsageError, match="no device called h1000") as raised:
        told(llama_folder, "--tokens", "1k", "--device", "h1000")
    assert "h100-sxm, " in raised.value.expected
    assert find("H100-SXM") == known()["h100-sxm"]


def test_a_device_without_the_recipes_arithmetic_is_refused(llama_folder: Path) -> None:
    with pytest.raises(UsageError, match="no bf16 speed is known of t4"):
        told(llama_folder, "--tokens", "1k", "--device", "t4", "--recipe", recipe())
    with pytest.raises(UsageError, match="no fp32 speed is known of tpu-v5e"):
        told(llama_folder, "--tokens", "1k", "--device", "tpu-v5e", "--recipe", recipe(precision="float32"))


def test_a_negative_price_is_a_usage_error(llama_folder: Path) -> None:
    assert "-1" in told(llama_folder, "--tokens", "1k", "--device", "l4", "--price", "-1", code=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "never_heard_of"}', "never_heard_of"),
        ('{"model_type": "bert", "is_decoder": "maybe"}', "cannot be planned for"),
        ('{"model_type": "t5"}', "cannot be planned for"),
        ("{}", "cannot be planned for"),
        ("not JSON", "cannot be planned for"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # transformers', about the configurations
def test_a_configuration_that_is_no_causal_model_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TouchstoneError, match=message):
        told(tmp_path, "--tokens", "1k", "--device", "l4", "--recipe", recipe())
    with pytest.raises(TouchstoneError, match=r"there is no .*config\.json"):
        told(tmp_path / "nowhere" / "config.json", "--tokens", "1k", "--device", "l4", "--recipe", recipe())


@pytest.mark.parametrize("text", ["mine: 3\n", "mine: {memory_gib: -1}\n", "mine: {memory_gib: 1, color: red}\n"])
def test_a_file_that_holds_no_devices_is_refused(llama_folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"mine\.yaml, mine"):
        told(llama_folder, "--tokens", "1k", "--device", "mine", "--devices", tmp_path / "mine.yaml")


def test_nothing_but_the_configuration_is_read_and_help_needs_no_torch(llama_folder: Path) -> None:
    assert [path.name for path in llama_folder.iterdir()] == ["config.json"]
    program = (
        "import sys; sys.modules['torch'] = None; from pipelines.cli.main import main; "
        f"sys.argv = ['touchstone', 'plan', {str(llama_folder)!r}, '--tokens', '1k', '--device', 'l4']; main()"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "touchstone-audit[train]" in found.stderr
    helped = subprocess.run(
        [sys.executable, "-c", program.replace("'--tokens', '1k', '--device', 'l4'", "'--help'")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert helped.returncode == 0
    assert "--price" in helped.stdout
