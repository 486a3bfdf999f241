"""The pipeline style_attribution by kfp.local at toy size, from world to verdict and attribution."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = "from pipelines.cli.attribution import attribution; attribution()"


@pytest.mark.long
def test_every_role_of_the_embedded_world_is_attributed(tmp_path: Path) -> None:
    arguments = [
        sys.executable,
        "-c",
        COMMAND,
        "world",
        "--preset",
        "dry_run",
        "--out",
        str(tmp_path / "run"),
        "--json",
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for name, candidates in (("attribution", {"base", "target"}), ("told_apart", {"imitator", "target"})):
        rows = [row for row in said[name] if row["classifier"] == "embedding"]
        assert {row["author"] for row in rows} == {"base", "imitator", "target", "target_second"}
        assert {row["author"] for row in rows if row["learned"]} == candidates
    assert "verdict" in (tmp_path / "run" / "attribution.html").read_text()
