from pathlib import Path

import pytest

from components.contracts.errors import UsageError
from pipelines import catalog
from pipelines.local.study import RESULT, run_study


def test_a_folder_of_a_persons_own_is_never_taken_for_a_result(tmp_path: Path) -> None:
    own = tmp_path / "run" / RESULT / "notes.txt"
    own.parent.mkdir(parents=True)
    own.write_text("kept")
    with pytest.raises(UsageError, match="which is no artifact"):
        run_study("imitation_audit", catalog.preset("imitation_audit", "dry_run"), tmp_path / "run")
    assert own.read_text() == "kept"
    assert [path.name for path in (tmp_path / "run").iterdir()] == [RESULT], "nothing was begun"
