import errno
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipelines.cli.extras import EXTRAS, what_to_install
from pipelines.cli.main import COMMANDS, cli, main

HEAVY = ("torch", "transformers", "kfp", "great_expectations", "scipy", "sklearn", "numpy")


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Options:" in result.output


@pytest.mark.parametrize("arguments", [["--help"], *[[name, "--help"] for name in COMMANDS]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    source = (
        "import sys\nfrom pipelines.cli.main import main\n"
        f"sys.argv = ['touchstone', *{arguments}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"sys.exit(' '.join(m for m in {HEAVY} if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    done = subprocess.run([sys.executable, "-m", "pipelines", "adit"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "No such command 'adit'" in done.stderr


@pytest.mark.slow
def test_a_users_failure_prints_its_message_without_traceback() -> None:
    done = subprocess.run([sys.executable, "-m", "pipelines", "step", "stile"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no step called stile" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("number", "says"), [(errno.EACCES, "check who may read"), (errno.ENOSPC, "free disk space"), (errno.EBADF, None)]
)
def test_what_the_machine_refuses_is_told_without_traceback(
    number: int, says: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, "refused", "/somewhere/rows")

    monkeypatch.setattr(cli, "get_command", lambda *_: click.Command("list", callback=refused))
    monkeypatch.setattr(sys, "argv", ["touchstone", "list"])
    if says is None:
        with pytest.raises(OSError, match="refused"):
            main()
        return
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "touchstone: /somewhere/rows: refused" in told
    assert says in told


@pytest.mark.parametrize(("package", "extra"), [("lingua", "data"), ("numba.core", "data"), ("urllib3", "api")])
def test_a_package_of_an_extra_that_is_missing_is_told_with_what_to_type(package: str, extra: str) -> None:
    found = what_to_install(ModuleNotFoundError(name=package))
    assert found is not None
    assert f"[{extra}]" in found.remedy


def test_a_missing_module_of_ours_keeps_its_traceback() -> None:
    assert what_to_install(ModuleNotFoundError(name="components.nowhere")) is None


def test_every_extra_that_is_named_exists_and_names_its_package_or_what_brings_it() -> None:
    extras = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    known = extras["optional-dependencies"]
    brought = {"pyarrow": "datasets", "lingua": "lingua-language-detector"}
    brought |= {"profanity_check": "alt-profanity-check", "stdnum": "python-stdnum", "multipart": "python-multipart"}
    for package, extra in EXTRAS.items():
        name = brought.get(package, package.replace("_", "-"))
        assert any(line.startswith(name) for line in known[extra]), package
