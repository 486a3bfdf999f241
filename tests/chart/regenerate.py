"""`python -m tests.chart.regenerate`: writes what tests compare with - the default render and the README's table."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.chart import values_document
from tests.chart.helm import CHART, Object, render

SNAPSHOT = Path(__file__).parent / "default_render.yaml"
README = CHART / "README.md"


def normal(objects: list[Object]) -> str:
    """Objects in a fixed order, without what is made at random."""
    for made in objects:
        if made["kind"] == "Secret":
            made["data"] = dict.fromkeys(made["data"], "(random)")

    def place(made: Object) -> tuple[str, str, str]:
        return made["kind"], made["metadata"].get("namespace", ""), made["metadata"]["name"]

    return yaml.safe_dump_all(sorted(objects, key=place), sort_keys=True, width=120)


def with_table(text: str) -> str:
    """The README with the table of values as values.yaml has it."""
    before, _, rest = text.partition(values_document.BEGIN)
    _, _, after = rest.partition(values_document.END)
    return before + values_document.table(values_document.read(CHART / "values.yaml")) + after


def main() -> None:
    """Write both."""
    SNAPSHOT.write_text(normal(render()), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {SNAPSHOT} and the table in {README}")


if __name__ == "__main__":
    main()
