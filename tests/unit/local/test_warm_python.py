import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.local.warm import warm_python

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tasks start warm on Linux only")


@pytest.fixture(scope="module")
def python() -> Iterator[str]:
    with Path(os.devnull).open("w") as log, warm_python(log, preload=["json", "timeit"]) as executable:
        yield executable


def task(python: str, folder: Path, source: str, **options: object) -> subprocess.CompletedProcess[str]:
    elsewhere = folder / "modules"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "job_module.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(elsewhere), "COLOUR": "blue"}
    arguments = [python, "-m", "job_module", "one", "--two"]
    return subprocess.run(arguments, env=environment, cwd=folder, capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_a_task_sees_its_own_arguments_environment_and_folder(python: str, tmp_path: Path) -> None:
    source = "import os, sys; print(sys.argv[1:], os.environ['COLOUR'], os.getcwd())"
    done = task(python, tmp_path, source)
    assert done.stdout.split() == ["['one',", "'--two']", "blue", str(tmp_path)], done.stderr


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit('no')", 1),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_the_exit_code_is_the_tasks(python: str, tmp_path: Path, source: str, code: int) -> None:
    assert task(python, tmp_path, source).returncode == code


def test_a_crash_shows_its_traceback(python: str, tmp_path: Path) -> None:
    assert "ZeroDivisionError" in task(python, tmp_path, "1 / 0").stderr


def test_tasks_leave_no_state_behind(python: str, tmp_path: Path) -> None:
    task(python, tmp_path, "import json; json.mark = 1")
    assert task(python, tmp_path, "import json; print(hasattr(json, 'mark'))").stdout.strip() == "False"


def test_a_task_can_start_processes_and_wait_for_them(python: str, tmp_path: Path) -> None:
    source = "import subprocess; print(subprocess.run(['sh', '-c', 'exit 5']).returncode)"
    assert task(python, tmp_path, source).stdout.strip() == "5"


def test_nothing_survives_the_death_of_the_command(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(
        "import sys\n"
        "from pipelines.local.warm import warm_python\n"
        "import subprocess\n"
        "with warm_python(sys.stderr, preload=[]) as python:\n"
        "    subprocess.run([python, '-m', 'timeit', '-n1', '-r1', "
        '"import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(60)"])\n'
    )
    root = Path(__file__).parents[3]
    command = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert command.stdout is not None
    task_pid, server_pid = map(int, command.stdout.readline().split())
    command.send_signal(signal.SIGKILL)
    command.wait()
    command.stdout.close()
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in (task_pid, server_pid)):
        assert time.monotonic() < deadline, "the fork server or its task outlived the command"


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
