import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.contracts import metrics
from components.contracts.errors import GateNotPassed, TouchstoneError
from components.contracts.metrics import step_metrics

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Pushgateway:
    """A loopback server that keeps every push; `status` is what it answers, `hold` keeps it from answering."""

    def __init__(self, status: int = 200) -> None:
        self.pushes: list[tuple[str, str, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def handle_push(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                gateway.hold.wait(30)
                gateway.pushes.append((self.command, self.path, body))
                self.send_response(status)
                self.end_headers()

            do_POST = do_PUT = handle_push  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def samples(self) -> Samples:
        [(_, _, body)] = self.pushes
        families = text_string_to_metric_families(body)
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


@contextmanager
def pushgateway(status: int = 200) -> Iterator[Pushgateway]:
    gateway = Pushgateway(status)
    thread = threading.Thread(target=gateway.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield gateway
    finally:
        gateway.hold.set()
        gateway.server.shutdown()
        thread.join()
        gateway.server.server_close()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushgateway]:
    with pushgateway() as one:
        monkeypatch.setenv("TOUCHSTONE_PUSHGATEWAY", one.address)
        monkeypatch.delenv("TOUCHSTONE_RUN", raising=False)
        yield one


def test_a_finished_step_pushes_what_it_recorded(gateway: Pushgateway) -> None:
    before = time.time()
    with step_metrics("imitate") as recorder:
        recorder.rows("checkpoint", 7)
        recorder.step_metrics({"final_loss": 1.5, "tokens_per_second": 9000.0})
        metrics.store_traffic.add_bytes("up", 1000)
        metrics.store_traffic.add_retry()
    samples = gateway.samples
    stamp = samples.pop(("touchstone_last_success_timestamp_seconds", (("step", "imitate"),)))
    seconds = samples.pop(("touchstone_step_seconds", (("outcome", "finished"), ("step", "imitate"))))
    assert before <= stamp <= time.time()
    assert 0 <= seconds < 5
    assert samples == {
        ("touchstone_steps_total", (("outcome", "finished"), ("step", "imitate"))): 1,
        ("touchstone_rows_total", (("port", "checkpoint"), ("step", "imitate"))): 7,
        ("touchstone_store_bytes_total", (("direction", "up"),)): 1000,
        ("touchstone_store_bytes_total", (("direction", "down"),)): 0,
        ("touchstone_store_retries_total", ()): 1,
        ("touchstone_train_tokens_per_second", ()): 9000,
        ("touchstone_step_metric", (("name", "final_loss"), ("step", "imitate"))): 1.5,
        ("touchstone_step_metric", (("name", "tokens_per_second"), ("step", "imitate"))): 9000,
    }


def test_every_metric_is_a_described_gauge_with_its_labels(gateway: Pushgateway) -> None:
    with step_metrics("report") as recorder:
        recorder.rows("items", 1)
        recorder.step_metrics({"gate_passed": 1.0, "tokens_per_second": 1.0})
    families = {f.name: f for f in text_string_to_metric_families(gateway.pushes[0][2])}
    assert set(families) == set(metrics.DESCRIPTIONS)
    for name, (text, labels) in metrics.DESCRIPTIONS.items():
        assert (families[name].type, families[name].documentation) == ("gauge", text)
        assert all(set(sample.labels) == set(labels) for sample in families[name].samples)


def test_a_push_adds_to_a_group_that_only_this_task_has(gateway: Pushgateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_RUN", "4f1c")
    with step_metrics("generate", "broad"):
        pass
    with step_metrics("generate", "local"):
        pass
    (method, first, _), (_, second, _) = gateway.pushes
    assert method == "POST"
    assert first.startswith("/metrics/job/touchstone/")
    assert all(part in first for part in ("/step/generate", "/run/4f1c", "/part/broad", "/task/"))
    assert first.replace("/part/broad", "/part/local") == second


def test_traffic_of_earlier_tasks_is_not_counted_again(gateway: Pushgateway) -> None:
    metrics.store_traffic.add_bytes("down", 500)
    with step_metrics("score"):
        metrics.store_traffic.add_bytes("down", 30)
    assert gateway.samples["touchstone_store_bytes_total", (("direction", "down"),)] == 30


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (TouchstoneError("no rows"), "failed"),
        (SystemExit(1), "failed"),
        (KeyboardInterrupt(), "failed"),
        (GateNotPassed("3 of 9 expectations failed"), "gate"),
    ],
)
def test_how_a_step_ends_badly_is_its_outcome_and_no_success(
    gateway: Pushgateway, raised: BaseException, outcome: str
) -> None:
    with pytest.raises(type(raised)), step_metrics("validate"):
        raise raised
    samples = gateway.samples
    assert samples["touchstone_steps_total", (("outcome", outcome), ("step", "validate"))] == 1
    assert not any(name == "touchstone_last_success_timestamp_seconds" for name, _ in samples)
    gate = samples.get(("touchstone_gate_passed", (("name", "validate"),)))
    assert gate == (0 if outcome == "gate" else None)


def test_reused_work_is_a_success_of_its_own_kind(gateway: Pushgateway) -> None:
    with step_metrics("report") as recorder:
        recorder.outcome("reused")
        recorder.step_metrics({"gate_passed": 1.0})
    samples = gateway.samples
    assert samples["touchstone_steps_total", (("outcome", "reused"), ("step", "report"))] == 1
    assert samples["touchstone_gate_passed", (("name", "report"),)] == 1
    assert ("touchstone_last_success_timestamp_seconds", (("step", "report"),)) in samples


def test_without_a_gateway_nothing_is_imported() -> None:
    source = (
        "import os, sys\nos.environ.pop('TOUCHSTONE_PUSHGATEWAY', None)\n"
        "from components.contracts.metrics import step_metrics\n"
        "with step_metrics('ask') as recorder:\n    recorder.rows('requests', 3)\n"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_refused_push_is_a_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pushgateway(status=400) as one:
        monkeypatch.setenv("TOUCHSTONE_PUSHGATEWAY", one.address)
        with step_metrics("ask"):
            pass
    told = capsys.readouterr().err
    assert f"metrics of ask were not pushed to {one.address}: HTTPError: HTTP Error 400" in told
    assert told.count("\n") == 1


def test_a_gateway_that_is_away_does_not_fail_a_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pushgateway() as gone:
        pass
    monkeypatch.setenv("TOUCHSTONE_PUSHGATEWAY", gone.address)
    with step_metrics("ask"):
        pass
    assert "were not pushed" in capsys.readouterr().err


def test_a_gateway_that_never_answers_is_left_after_the_deadline(
    gateway: Pushgateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metrics, "DEADLINE_SECONDS", 0.3)
    gateway.hold.clear()
    began = time.monotonic()
    with step_metrics("ask"):
        pass
    assert 0.3 <= time.monotonic() - began < 3
    assert "were not pushed" in capsys.readouterr().err


@pytest.mark.slow
def test_an_answer_that_trickles_in_is_left_after_the_deadline_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every byte renews a socket's timeout; the deadline is for the whole push.
    done = threading.Event()

    class Trickle(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            ends = time.monotonic() + 10
            while not done.wait(0.02) and time.monotonic() < ends:
                self.wfile.write(b"H")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    monkeypatch.setattr(metrics, "DEADLINE_SECONDS", 0.3)
    monkeypatch.setenv("TOUCHSTONE_PUSHGATEWAY", f"http://127.0.0.1:{server.server_port}")
    began = time.monotonic()
    try:
        with step_metrics("ask"):
            pass
        took = time.monotonic() - began
    finally:
        done.set()
        server.shutdown()
        server.server_close()
    assert 0.3 <= took < 3
