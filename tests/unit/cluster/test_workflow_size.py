"""A run that would outgrow what Argo keeps of a workflow is refused before it starts."""

from pathlib import Path

import pytest
import yaml

from components.contracts.errors import UsageError
from pipelines.cluster.workflow_size import BYTES_PER_EXECUTION, estimated_bytes, refuse_too_large


def pipeline(folder: Path, tasks: int, cells: int = 0) -> Path:
    """Tasks without inputs, and one more in a loop over cells."""
    step = {"componentRef": {"name": "comp-step"}}
    body = {"dag": {"tasks": {"step": step}}}
    dag = {f"step-{n}": step for n in range(tasks)}
    if cells:
        items = {"raw": str(list(range(cells)))}
        dag["loop"] = {
            "componentRef": {"name": "comp-loop"},
            "parameterIterator": {"items": items, "itemInput": "item"},
        }
    executor = {"container": {"args": ["--function_to_execute", "register"]}}
    document = {
        "root": {"dag": {"tasks": dag}},
        "components": {"comp-step": {"executorLabel": "exec"}, "comp-loop": body},
        "deploymentSpec": {"executors": {"exec": executor}},
    }
    path = folder / "ir.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_each_round_of_a_loop_counts_as_tasks_of_its_own(tmp_path: Path) -> None:
    few = estimated_bytes(pipeline(tmp_path, 3, cells=10))
    more = estimated_bytes(pipeline(tmp_path, 3, cells=99))
    assert 89 * BYTES_PER_EXECUTION <= more - few < 90 * BYTES_PER_EXECUTION


def test_what_is_too_large_is_told_with_both_sizes_and_no_limit_lets_it_pass(tmp_path: Path) -> None:
    path = pipeline(tmp_path, 2, cells=400)
    with pytest.raises(UsageError, match=r"would grow to about 1\.\d\d MB") as refused:
        refuse_too_large(path, 1 << 20)
    assert "at most 1.05 MB" in str(refused.value.expected)
    refuse_too_large(path, 0)
    refuse_too_large(path, 2 << 20)
