from pathlib import Path

from pipelines import catalog
from pipelines.cli.compile import compile_to
from pipelines.cluster.placement import Placement
from pipelines.cluster.profiles import load_profile
from pipelines.cluster.versions import version_name


def version(folder: Path, name: str, *, seed: int = 0, profile: str = "cpu") -> str:
    config = catalog.preset("imitation_audit", "smoke", seed=seed)
    compile_to("imitation_audit", config, folder / name, Placement(load_profile(profile)))
    return version_name(folder / name)


def test_equal_settings_give_one_version_and_others_give_another(tmp_path: Path) -> None:
    first = version(tmp_path, "a.yaml")
    assert version(tmp_path, "b.yaml") == first
    assert version(tmp_path, "c.yaml", seed=1) != first
    assert version(tmp_path, "d.yaml", profile="gpu") != first


def test_a_version_begins_with_the_projects_own(tmp_path: Path) -> None:
    assert version(tmp_path, "a.yaml").startswith("0.")
