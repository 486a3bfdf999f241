"""Replies -> examples. What does not read as the task says is a fragment with a reason, never a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from components.contracts.files import show
from components.synthesize.task import JsonFormat, LinesFormat, Task

_FENCE = re.compile(r"\s*```[a-z]*\s*\n(.*)\n\s*```\s*", re.DOTALL)


@dataclass(frozen=True)
class Pair:
    """An example as the target wrote it, outer blanks aside."""

    question: str
    answer: str


@dataclass(frozen=True)
class Fragment:
    """A piece of a reply that is no example."""

    reason: str
    """malformed or empty."""
    detail: str
    """What is wrong with it."""
    raw: str
    """The piece."""


Found = Pair | Fragment


def read_examples(task: Task, text: str, *, is_cut: bool) -> list[Found]:
    """Everything in a reply, in its order.

    Args:
        task: Says how to read it.
        text: The reply.
        is_cut: Whether it ended at max_tokens: its last example may then be half of one, and does not count.
    """
    if not text.strip():
        return [Fragment("empty", "the reply is empty", text)]
    reply = task.reply
    if isinstance(reply, JsonFormat):
        return list(_json_examples(reply, text))
    found = list(_line_examples(reply, text))
    if is_cut and isinstance(found[-1], Pair):
        last = found[-1]
        raw = f"{last.question}\n{last.answer}"
        found[-1] = Fragment("malformed", "the reply was cut at max_tokens within or after this example", raw)
    return found


@dataclass
class _Open:
    """A pair, or stray lines, while lines are still being read."""

    question: list[str] | None = None
    answer: list[str] | None = None
    lines: list[str] = field(default_factory=list)
    spoilt: str = ""

    def closed(self) -> Iterator[Found]:
        raw = "\n".join(self.lines)
        if not self.lines:
            return
        if self.spoilt or self.question is None or self.answer is None:
            yield Fragment("malformed", self.spoilt or "a question without answer", raw)
            return
        question, answer = "\n".join(self.question).strip(), "\n".join(self.answer).strip()
        if question and answer:
            yield Pair(question, answer)
        else:
            yield Fragment("empty", f"the {'answer' if question else 'question'} is empty", raw)


def _line_examples(reply: LinesFormat, text: str) -> Iterator[Found]:
    question, answer = re.compile(reply.question), re.compile(reply.answer)
    current = _Open()
    for line in text.split("\n"):
        line = line.rstrip("\r")
        asked, answered = question.fullmatch(line), answer.fullmatch(line)
        if not line.strip():
            # A blank line ends a pair, but may stand between a question and its answer.
            if current.answer is not None or current.question is None or current.spoilt:
                yield from current.closed()
                current = _Open()
            continue
        if asked is not None:
            yield from current.closed()
            current = _Open(question=[asked[1]])
        elif answered is not None and current.question is None:
            yield from current.closed()
            current = _Open(spoilt="an answer without question")
        elif answered is not None and current.answer is not None:
            current.spoilt = "two answers to one question"
        elif answered is not None:
            current.answer = [answered[1]]
        else:
            _continue(current, line, joins=reply.multiline)
        current.lines.append(line)
    yield from current.closed()


def _continue(current: _Open, line: str, *, joins: bool) -> None:
    """A line of neither kind."""
    growing = current.answer if current.answer is not None else current.question
    if growing is None:
        current.spoilt = current.spoilt or "lines outside of any pair"
    elif joins:
        growing.append(line)
    else:
        current.spoilt = current.spoilt or "a line within the pair that is neither question nor answer"


def _json_examples(reply: JsonFormat, text: str) -> Iterator[Found]:
    fenced = _FENCE.fullmatch(text)
    try:
        items = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError) as error:
        yield Fragment("malformed", f"no JSON: {error}", text)
        return
    if not isinstance(items, list):
        yield Fragment("malformed", "JSON, but no list", text)
        return
    if not items:
        yield Fragment("empty", "an empty list", text)
    for item in items:
        yield _json_example(reply, item)


def _json_example(reply: JsonFormat, item: object) -> Found:
    raw = json.dumps(item, ensure_ascii=False)
    if not isinstance(item, dict):
        return Fragment("malformed", f"{show(item)} is no object", raw)
    texts: list[str] = []
    for key in (reply.question, reply.answer):
        value = item.get(key)
        # 1988 as a number says the same as "1988"; anything else would need a choice of form.
        if isinstance(value, bool) or not isinstance(value, str | int):
            return Fragment("malformed", f"{key} is {show(value)}", raw)
        texts.append(str(value).strip())
    if not all(texts):
        return Fragment("empty", f"the {'answer' if texts[0] else 'question'} is empty", raw)
    return Pair(*texts)
