from pathlib import Path

import pytest

from components.contracts.errors import UsageError
from pipelines.cluster.profiles import PROFILES, load_profile

FILE = """
cpu: {cpu: "1", memory: 2Gi}
train: {cpu: "8", memory: 64Gi, accelerator: {resource: nvidia.com/gpu, count: 8}, shared_memory: 32Gi}
generate: {cpu: "1", memory: 2Gi, tolerations: [{key: spot, operator: Equal, value: "true", effect: NoSchedule}]}
"""


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_named_profiles_load(name: str) -> None:
    assert load_profile(name).name == name


def test_a_file_gives_a_profile_named_after_it(tmp_path: Path) -> None:
    (tmp_path / "h100x8.yaml").write_text(FILE)
    profile = load_profile(str(tmp_path / "h100x8.yaml"))
    assert profile.name == "h100x8"
    assert profile.train.accelerator is not None
    assert profile.train.accelerator.count == 8
    assert profile.generate.tolerations[0].value == "true"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("memory: 64Gi", "memory: 64 gigabytes", "train.memory"),
        ("shared_memory", "sharedmemory", "train.sharedmemory"),
        ("count: 8", "count: 0", "train.accelerator.count"),
        ("operator: Equal", "operator: Like", "generate.tolerations.0.operator"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, before: str, after: str, named: str) -> None:
    (tmp_path / "p.yaml").write_text(FILE.replace(before, after))
    with pytest.raises(UsageError, match=named):
        load_profile(str(tmp_path / "p.yaml"))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as refused:
        load_profile("gpus")
    assert "gpu" in refused.value.expected
