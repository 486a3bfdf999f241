"""A box's README names every port of its steps with its rows; a comment cannot keep two files equal, a test can."""

from pathlib import Path

import pytest

import components
from components.contracts import bind
from pipelines import catalog

ROOT = Path(str(components.__file__)).parent


@pytest.mark.parametrize("name", sorted(catalog.steps()))
def test_the_readme_names_every_port_and_its_rows(name: str) -> None:
    declared = bind.declare(catalog.steps()[name])
    text = (ROOT / declared.box / "README.md").read_text(encoding="utf-8")
    assert name in text
    for port, row in {**declared.inputs, **declared.outputs}.items():
        assert f"`{port}`" in text, f"port {port}"
        assert row.__name__ in text, f"rows {row.__name__} of {port}"
