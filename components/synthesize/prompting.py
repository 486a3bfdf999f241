"""The prompts of a task, one for each number: which seeds stand in it depends on nothing but that number."""

from __future__ import annotations

import hashlib
import random
import re
from typing import NamedTuple

from components.synthesize.task import Example, Task

_PLACEHOLDER = re.compile(r"\{(question|answer)\}")


class Composed(NamedTuple):
    """A prompt of a task."""

    id: str
    """TASK-NUMBER."""
    text: str
    """The template of the task with its seeds."""
    seed: int
    """Of the target's sampling."""


def compose_prompt(task: Task, seed: int, number: int) -> Composed:
    """Prompt `number` (from 0) of a task; another `seed` draws other examples."""
    drawn = int.from_bytes(hashlib.sha256(f"{seed}:{task.name}:{number}".encode()).digest()[:8], "big")
    shown = random.Random(drawn).sample(task.seeds, task.seeds_per_prompt)
    examples = "\n".join(_shown(task.example, example) for example in shown)
    # OpenAI's servers take a signed 64-bit seed, others 32 bits.
    return Composed(f"{task.name}-{number:06d}", task.prompt.replace("{examples}", examples), drawn % 2**31)


def _shown(template: str, example: Example) -> str:
    # In one go: a question may itself hold the word {answer}.
    return _PLACEHOLDER.sub(lambda match: str(getattr(example, match[1])), template)
