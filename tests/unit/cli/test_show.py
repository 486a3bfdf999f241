import json
from pathlib import Path

from click.testing import CliRunner

from components.contracts.errors import UsageError
from pipelines import catalog, graph
from pipelines.cli.main import cli
from pipelines.cli.show import draw


def test_list_names_pipelines_presets_and_ports() -> None:
    shown = CliRunner().invoke(cli, ["list"]).output
    assert "--preset smoke" in shown
    assert "train (train): dialogues Dialogue, base Checkpoint, replay TextRow -> checkpoint Checkpoint" in shown


def test_a_preset_is_shown_resolved_with_its_seed() -> None:
    shown = CliRunner().invoke(cli, ["show", "imitation_audit", "--seed", "7", "--json"])
    assert json.loads(shown.output)["world"]["seed"] == 7


def test_every_arrow_is_drawn_under_the_name_of_its_source() -> None:
    first = graph.Task("a", "ask", {"params": {"name": "broad"}})
    second = graph.Task("b", "generate", {}, {"requests": graph.Port("a", "ask", "requests")})
    assert draw([first, second]) == ["  ask broad", "  generate   <- ask broad (requests)"]


def test_the_control_changes_the_world_and_what_is_claimed() -> None:
    styled, plain = (catalog.preset("imitation_audit", "smoke", plain=p) for p in (False, True))
    assert (styled.world["target_style"], plain.world["target_style"]) == (True, False)
    assert plain.compare["plain"]


def test_a_pipeline_is_compiled_to_a_yaml_file_only(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["compile", "imitation_audit", "-o", str(tmp_path / "pipeline")])
    assert isinstance(result.exception, UsageError)
    assert f"-o {tmp_path / 'pipeline'}.yaml" in str(result.exception)
    assert not list(tmp_path.iterdir())
