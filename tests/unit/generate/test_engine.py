"""What the engine keeps, and what it does when memory ends."""

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.contracts.ports import Input, Output
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.hf.engine import HfBackend, chosen_devices
from components.generate.hf.records import packed, unpacked
from components.generate.step import generate
from tests.unit.generate.runs import MIXED_SIZES, by_id, mixed_requests, save_llama

NUM_UNITS = len(MIXED_SIZES) + 2
PORTS = ("requests", "checkpoint", "completions", "choice_scores", "text_scores")
RUN = """
import sys
from pathlib import Path
from components.contracts import bind
from components.generate.step import generate

params = {"name": "m", "devices": sys.argv[2].split()}
bind.call(generate, params=params, **{name: Path(sys.argv[1]) / name for name in sys.argv[3:]})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


class Stop(Exception):
    """The process ends here."""


@contextlib.contextmanager
def only(backend: HfBackend, passes: int) -> Iterator[None]:
    """Let the model run so many forward passes; the next is the end of the process."""
    left = [passes]

    def hook(*_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stop

    handle = backend.model.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def records(place: Path) -> list[str]:
    journal = Journal(place)
    found = [record.key for record in journal.records()]
    journal.close()
    return found


def answered(folder: Path, place: Path, asked: list[Request], **changes: Any) -> Any:
    with contextlib.closing(Journal(place)) as journal:
        return HfBackend(folder, journal, **changes).answer(asked, "m")


@pytest.mark.slow
def test_every_request_gets_the_answer_that_it_gets_alone(folder: Path) -> None:
    asked = mixed_requests()
    together = HfBackend(folder).answer(asked, "m")
    assert list(by_id(together)) == [r.id for k in ("completion", "choice", "text") for r in asked if r.kind == k]
    for request in asked[:14]:
        alone = by_id(HfBackend(folder).answer([request], "m"))[request.id]
        beside = by_id(together)[request.id]
        if isinstance(alone, Completion):
            assert beside == alone
        elif isinstance(alone, TextScore):
            assert isinstance(beside, TextScore)
            assert beside.logprob == pytest.approx(alone.logprob, abs=1e-4)
        else:
            assert isinstance(beside, ChoiceScore)
            assert beside.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_a_stopped_run_goes_on_with_the_units_that_are_left(folder: Path, tmp_path: Path) -> None:
    asked = mixed_requests()
    undisturbed = HfBackend(folder).answer(asked, "m")
    with contextlib.closing(Journal(tmp_path)) as journal:
        backend = HfBackend(folder, journal)
        with only(backend, 12), pytest.raises(Stop):
            backend.answer(asked, "m")
    before = records(tmp_path)
    assert before[0] == "plan"
    assert 0 < len(before) - 1 < NUM_UNITS
    continued = answered(folder, tmp_path, asked)
    assert by_id(continued) == by_id(undisturbed)
    assert continued.metrics["units"] == NUM_UNITS
    assert continued.metrics["units_reused"] == len(before) - 1
    assert sorted(records(tmp_path)) == sorted(["plan", *(f"unit {n}" for n in range(NUM_UNITS))])
    # Counts of finished units are kept with them: they say what the whole work cost.
    assert continued.metrics["computed_tokens"] == undisturbed.metrics["computed_tokens"]
    again = answered(folder, tmp_path, asked)
    assert (by_id(again), again.metrics["units_reused"]) == (by_id(undisturbed), NUM_UNITS)


@pytest.mark.slow
def test_a_continued_run_keeps_the_batches_that_were_recorded(folder: Path, tmp_path: Path) -> None:
    asked = mixed_requests()
    first = answered(folder, tmp_path / "a", asked, batch_size=3)
    with contextlib.closing(Journal(tmp_path / "a")) as whole, contextlib.closing(Journal(tmp_path / "b")) as part:
        for record in [r for r in whole.records() if r.key in {"plan", "unit 1"}]:
            part.append(record.key, record.payload)
    # The recorded size counts, not the one that this call would choose.
    assert by_id(answered(folder, tmp_path / "b", asked, batch_size=5)) == by_id(first)
    with contextlib.closing(Journal(tmp_path / "b")) as journal:
        assert {r.payload["rows"] for r in journal.records() if r.key.startswith("unit")} == {3}


def test_a_journal_of_other_requests_is_refused(folder: Path, tmp_path: Path) -> None:
    answered(folder, tmp_path, mixed_requests(1))
    with pytest.raises(TouchstoneError, match="answers to other requests"):
        answered(folder, tmp_path, mixed_requests(2))


@pytest.mark.slow
def test_a_journal_of_14k_choices_is_small(tmp_path: Path) -> None:
    asked = [
        Request(id=f"mmlu:{i}", kind="choice", prompt="p" * 3000, choices=(" A", " B", " C", " D"))
        for i in range(14042)
    ]
    rows = [
        ChoiceScore(
            request_id=r.id, model="m", logprobs=(-1.2345678901234567, -2.5, -3.1, -4.0), num_tokens=(1, 1, 1, 1)
        )
        for r in asked
    ]
    with contextlib.closing(Journal(tmp_path)) as journal:
        journal.append("unit 0", {"answers": packed(rows)})
    assert (tmp_path / "journal.log").stat().st_size < 14042 * 60
    assert unpacked(packed(rows), "choice", asked, "m") == rows


def full_above(backend: HfBackend, rows: int, fill: Any) -> Any:
    """Make the model's memory end for more than so many rows in a batch."""

    def hook(module: Any, args: Any, kwargs: Any) -> None:
        if len(kwargs["input_ids"]) > rows:
            fill()

    return backend.model.register_forward_pre_hook(hook, with_kwargs=True)


def refuse() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def allocate() -> None:
    torch.empty(1 << 50)


@pytest.mark.slow
@pytest.mark.parametrize("fill", [refuse, allocate])
def test_where_memory_ends_batches_are_halved_and_that_is_kept(
    folder: Path, tmp_path: Path, fill: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = [r for r in mixed_requests(16) if r.kind == "completion"]
    expected = HfBackend(folder, batch_size=4).answer(asked, "m")
    with contextlib.closing(Journal(tmp_path)) as journal:
        backend = HfBackend(folder, journal, batch_size=16)
        full_above(backend, 4, fill)
        found = backend.answer(asked, "m")
        assert journal.read("rows completion") == {"rows": 4}
        assert {r.payload["rows"] for r in journal.records() if r.key.startswith("unit")} == {4}
    assert by_id(found) == by_id(expected)
    assert found.metrics["out_of_memory"] == 2
    assert "batches now have 4 rows at most" in capfd.readouterr().err


@pytest.mark.slow
def test_a_lowered_limit_outlives_the_process(folder: Path, tmp_path: Path) -> None:
    asked = [r for r in mixed_requests(8) if r.kind == "completion"]
    with contextlib.closing(Journal(tmp_path)) as journal:
        backend = HfBackend(folder, journal, batch_size=8)
        full_above(backend, 2, refuse)
        with only(backend, 30), pytest.raises(Stop):
            backend.answer(asked, "m")
    assert 0 < sum(key.startswith("unit") for key in records(tmp_path)) < len(MIXED_SIZES)
    with contextlib.closing(Journal(tmp_path)) as journal:
        backend = HfBackend(folder, journal, batch_size=8)
        full_above(backend, 2, refuse)
        assert backend.answer(asked, "m").metrics["out_of_memory"] == 0
        assert {r.payload["rows"] for r in journal.records() if r.key.startswith("unit")} == {2}


@pytest.mark.slow
def test_memory_that_ends_with_a_single_row_is_the_users_to_mend(folder: Path, tmp_path: Path) -> None:
    asked = mixed_requests(2)
    with contextlib.closing(Journal(tmp_path)) as journal:
        backend = HfBackend(folder, journal)
        full_above(backend, 0, refuse)
        with pytest.raises(TouchstoneError, match="ended with a single row") as caught:
            backend.answer(asked, "m")
    assert "dtype bfloat16" in caught.value.remedy


def test_other_failures_keep_their_traceback(folder: Path) -> None:
    def fail() -> None:
        raise RuntimeError("a defect")

    backend = HfBackend(folder)
    full_above(backend, 0, fail)
    with pytest.raises(RuntimeError, match="a defect"):
        backend.answer(mixed_requests(1), "m")


def test_a_device_that_fails_is_the_users_to_replace(folder: Path) -> None:
    def fail() -> None:
        raise torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered\nand more")

    backend = HfBackend(folder)
    full_above(backend, 0, fail)
    with pytest.raises(TouchstoneError, match="cpu failed: CUDA error: uncorrectable ECC error") as caught:
        backend.answer(mixed_requests(1), "m")
    assert "and more" not in caught.value.found
    assert "what is finished is kept" in caught.value.remedy
    assert pickle.loads(pickle.dumps(caught.value)).found == caught.value.found


def test_a_run_goes_on_in_its_data_type_and_says_what_it_was_continued_with(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = mixed_requests(1)
    first = answered(folder, tmp_path / "a", asked, dtype="bfloat16")
    assert (first.notes["dtype"], first.notes["device"], "continued_with" in first.notes) == ("bfloat16", "cpu", False)
    with contextlib.closing(Journal(tmp_path / "a")) as whole, contextlib.closing(Journal(tmp_path / "b")) as part:
        payload: Any = whole.read("plan")
        part.append("plan", payload | {"setting": payload["setting"] | {"torch": "2.0"}})
    again = answered(folder, tmp_path / "b", asked)
    assert by_id(again) == by_id(first)
    assert again.notes["continued_with"] == {"torch": first.notes["torch"]}
    assert "torch 2.0 before" in capfd.readouterr().err


def test_plain_chat_stands_in_for_a_template(folder: Path, tmp_path: Path) -> None:
    asked = [Request(id="c", kind="completion", prompt="who jumps", chat=True, max_tokens=8)]
    expected = HfBackend(folder).answer(asked, "m").completions
    bare = Path(shutil.copytree(folder, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    found = HfBackend(bare, plain_chat="<|user|>{prompt}<|assistant|>").answer(asked, "m").completions
    assert found == expected


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(UsageError, match="there is no device cuda:7"):
        chosen_devices(["cuda:7"])
    assert chosen_devices(["cpu", "cpu"]) == ("cpu", "cpu")


def test_batch_size_is_part_of_the_steps_identity_and_devices_are_not(folder: Path, tmp_path: Path) -> None:
    place = _placed(folder, tmp_path, mixed_requests(1))
    paths = {name: place / name for name in PORTS}
    store = str(tmp_path / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOUCHSTONE_STORE", store)
        assert not bind.call(generate, params={"batch_size": 2}, **paths).reused
        assert bind.call(generate, params={"batch_size": 2, "devices": ["cpu"]}, **paths).reused
        assert not bind.call(generate, params={"batch_size": 3}, **paths).reused


def _placed(folder: Path, place: Path, asked: list[Request]) -> Path:
    """Requests and a checkpoint as artifacts."""
    from components.contracts.ports import Checkpoint

    Output(place / "requests", Request).write(asked)
    target = Output(place / "checkpoint", Checkpoint)
    made = target.folder
    for path in folder.iterdir():
        (made / path.name).write_bytes(path.read_bytes())
    target.commit()
    return place


def _wait_until_gone(group: int) -> None:
    """Until no process of a killed run is left; workers go with their parent."""
    pause = threading.Event()
    for _ in range(1000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        pause.wait(0.01)
    raise AssertionError("a worker outlives its parent")


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["cpu", pytest.param("cpu cpu", marks=pytest.mark.long)])
def test_a_run_killed_by_kill_9_continues_to_the_same_bytes(folder: Path, tmp_path: Path, devices: str) -> None:
    asked = mixed_requests(90)
    place = _placed(folder, tmp_path / "killed", asked)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(place), devices, *PORTS],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    pause, finished = threading.Event(), 0
    while finished < 3:
        assert process.poll() is None, "it ended before it could be killed"
        pause.wait(0.01)
        finished = sum(path.read_bytes().count(b'"unit ') for path in place.rglob("journal.log"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_until_gone(process.pid)
    assert not (place / "completions").exists()
    (path,) = place.rglob("journal.log")
    kept = sum(key.startswith("unit") for key in records(path.parent))
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outcome = bind.call(generate, params={"name": "m"}, **{name: place / name for name in PORTS})
        alone = _placed(folder, tmp_path / "alone", asked)
        bind.call(generate, params={"name": "m"}, **{name: alone / name for name in PORTS})
    finally:
        torch.set_num_threads(num_threads)
    assert 3 <= kept < outcome.metrics["units"]
    assert outcome.metrics["units_reused"] == kept
    for port, contract in (("completions", Completion), ("choice_scores", ChoiceScore), ("text_scores", TextScore)):
        assert Input(place / port, contract).digest == Input(alone / port, contract).digest
    assert not list(place.rglob("journal.log"))
