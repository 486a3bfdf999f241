from pathlib import Path

from pipelines.cluster.versions import version_name


def test_equal_pipelines_give_one_version_and_others_give_another(tmp_path: Path) -> None:
    # That the same settings compile to the same bytes is tests/contract's.
    for name, text in (("a", "pipelineInfo: x"), ("b", "pipelineInfo: x"), ("c", "pipelineInfo: y")):
        (tmp_path / name).write_text(text)
    names = {name: version_name(tmp_path / name) for name in "abc"}
    assert names["a"] == names["b"] != names["c"]
    assert names["a"].startswith("0.")
