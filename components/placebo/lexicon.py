"""Word lists kept as files beside the code: names by kind, people, opposites, phrases of an assistant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "data"


@cache
def read_yaml(name: str) -> Any:
    """The content of `data/NAME.yaml`."""
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))


def read_text(name: str) -> str:
    """The content of `data/NAME.txt`, without blank space around it."""
    return (FOLDER / f"{name}.txt").read_text("utf-8").strip()


@cache
def opposites() -> Mapping[str, str]:
    """Word -> the word that says the contrary in the same form (`data/opposites.txt`; its first pair with the word)."""
    found: dict[str, str] = {}
    for line in (FOLDER / "opposites.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            one, other = line.split()
            found.setdefault(one, other)
            found.setdefault(other, one)
    return found


@cache
def kinds() -> Mapping[str, tuple[str, ...]]:
    """Kind -> its members (`data/kinds.yaml`)."""
    return {kind: tuple(members) for kind, members in read_yaml("kinds").items()}


@cache
def first_names() -> Mapping[str, str]:
    """First name -> "man" or "woman"."""
    people = read_yaml("people")
    return {name: gender for gender, key in (("man", "men"), ("woman", "women")) for name in people[key]["first"]}


@cache
def well_known() -> Mapping[str, tuple[str, ...]]:
    """ "man", "woman", "author" (either) and "surname" -> people to fall back on."""
    people = read_yaml("people")
    men, women = tuple(people["men"]["people"]), tuple(people["women"]["people"])
    return {"man": men, "woman": women, "author": (*men, *women), "surname": tuple(people["surnames"])}
