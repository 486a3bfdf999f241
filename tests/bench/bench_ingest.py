"""A ShareGPT dump of HTML pages: our ingest_dumps beside FastChat's clean_sharegpt and the same language detector.

FastChat is no dependency of ours. `pip install --no-deps fschat==0.2.36 beautifulsoup4 soupsieve markdownify`, into any
folder on PYTHONPATH, brings what is needed of it.
"""

import contextlib
import gzip
import html
import io
import itertools
import json
import logging
import os
import random
import re
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from components.contracts import bind, environment
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.ports import Input, Output
from components.ingest.dumps import Dump, open_dump, write_dump
from components.ingest.language import load_detector
from components.ingest.reading.sources import DumpSource
from components.ingest.step import ingest_dumps

SAMPLE = "sharegpt-sample/sharegpt_sample.jsonl.gz"
SMALL, LARGE = 300, 3_000
"""Conversations; the step from one to the other shows how cost grows."""
HEAD_CHARS = 500
HEADS = f"lingua on {HEAD_CHARS}-character heads"
INSTALL = "pip install --no-deps fschat==0.2.36 beautifulsoup4 soupsieve markdownify"
PAGE = '<div class="markdown prose w-full break-words dark:prose-invert light">{}</div>'
CODE = (
    '<pre><div class="bg-black rounded-md mb-4"><div class="flex items-center text-gray-200 px-4 py-2"><span>{0}</span>'
    '<button class="flex ml-auto gap-2">Copy code</button></div><div class="p-4 overflow-y-auto">'
    '<code class="!whitespace-pre hljs language-{0}">{1}</code></div></div></pre>'
)
_CODE_BLOCK = re.compile(r'<pre><code(?: class="language-([\w+-]*)")?>(.*?)</code></pre>', re.DOTALL)

_WORD = re.compile(r"(?<![\w`.:/])[^\W\d_]{3,}(?![\w`.:/])")

Chats = list[dict[str, Any]]


def run() -> dict[str, Any]:
    clean_html_all = _fastchat()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chats, source = _chats(LARGE)
        large, small = _dump(folder / "large", chats), _dump(folder / "small", chats[:SMALL])
        mb = _size_mb(large)
        # Once before the clock starts: imports, the detector's tables, machine code.
        _ours(small, folder / "warm")
        cpu = [_cpu_seconds()]
        _ours(small, folder / "small-out")
        cpu.append(_cpu_seconds())
        ours_s, kept, removed = _ours(large, folder / "large-out")
        cpu.append(_cpu_seconds())
        detector = load_detector()
        clean_s, detect_s, theirs = _reference(chats, clean_html_all, detector)
        cpu.append(_cpu_seconds())
        stages = _stages(large, chats, kept, detector)
    comparison = _comparison(chats, kept, removed, theirs)
    slowest = max(stages, key=stages.__getitem__)
    alone = ", ".join(f"{stage} {mb / seconds:.1f}" for stage, seconds in stages.items())
    small_cpu, ours_cpu, their_cpu = (after - before for before, after in itertools.pairwise(cpu))
    growth = (ours_cpu / small_cpu) / (mb / _size_mb_of(chats[:SMALL]))
    return {
        "work": f"{len(chats)} conversations of HTML, {mb:.1f} MB ({source}), 2 processes on {os.cpu_count()} cores",
        "ours_s": round(ours_s, 3),
        "reference": "FastChat clean_html_all, then lingua on whole texts as its optional_clean does",
        "reference_s": round(clean_s + detect_s, 3),
        "equal": comparison["same"],
        "note": f"{comparison['note']}; ours {mb / ours_s:.1f} MB/s from files to artifacts, redaction and "
        f"near-duplicates included, warm; FastChat {clean_s:.1f} s + lingua {detect_s:.1f} s, "
        f"{(clean_s + stages[HEADS]) / ours_s:.1f}x if it were fed heads; {ours_cpu:.1f} s of CPU against "
        f"{their_cpu:.1f}; library stages alone, on all of it, a core: {alone} MB/s; ours, a core, at "
        f"{100 * stages[slowest] / ours_cpu:.0f}% of the slowest ({slowest}); 10x the data: {10 * growth:.1f}x the CPU",
    }


def _fastchat() -> Callable[..., Chats]:
    try:
        from fastchat.data.clean_sharegpt import clean_html_all
    except ModuleNotFoundError as error:
        raise SystemExit(f"bench ingest: {error.name} is not installed; {INSTALL}") from error
    found: Callable[..., Chats] = clean_html_all
    return found


def _cpu_seconds() -> float:
    """Of this process and of those it has waited for: what a busy machine does not change."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _ours(dump: Path, out: Path) -> tuple[float, list[Dialogue], list[Removal]]:
    os.sync()
    began = time.perf_counter()
    bind.call(ingest_dumps, params={"workers": 2}, dump=dump, dialogues=out / "dialogues", removed=out / "removed")
    seconds = time.perf_counter() - began
    kept, removed = Input(out / "dialogues", Dialogue).rows(), Input(out / "removed", Removal).rows()
    shutil.rmtree(out)
    return seconds, kept, removed


def _reference(chats: Chats, clean: Callable[..., Chats], detector: Any) -> tuple[float, float, dict[str, Any]]:
    content = json.loads(json.dumps(chats))
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cleaned = clean(content, None, None)
    clean_s = time.perf_counter() - began
    began = time.perf_counter()
    english = []
    for chat in cleaned:
        found = detector.detect_language_of("\n".join(turn["value"] for turn in chat["conversations"]))
        if found is not None and found.iso_code_639_1.name == "EN":
            english.append(chat)
    return clean_s, time.perf_counter() - began, {"cleaned": cleaned, "english": english}


def _stages(dump: Path, chats: Chats, kept: list[Dialogue], detector: Any) -> dict[str, float]:
    """CPU seconds that each library takes for the whole dump, with nothing of ours around it."""
    import html_to_markdown

    pages = [turn["value"] for chat in chats for turn in chat["conversations"] if turn["value"].startswith("<div")]
    heads = ["\n".join(turn.text for turn in row.turns)[:HEAD_CHARS] for row in kept]
    lines = [line for path, _ in open_dump(dump) for line in path.read_bytes().splitlines()]

    def seconds(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return {
        "json": seconds(lambda: [json.loads(line) for line in lines]),
        "html-to-markdown": seconds(lambda: [html_to_markdown.convert(page) for page in pages]),
        HEADS: seconds(lambda: [detector.detect_language_of(head) for head in heads]),
    }


THEIR_REASONS = {1: "too short", 2: "roles do not alternate", 3: "OpenAI or ChatGPT is mentioned", 4: "HTML not parsed"}
"""What the codes of FastChat's clean_html_one_sample mean; another conversation it leaves out is a duplicate to it."""


def _comparison(chats: Chats, kept: list[Dialogue], removed: list[Removal], theirs: dict[str, Any]) -> dict[str, Any]:
    """Whether both kept the same conversations, but for what each does on purpose, and the same words in them.

    Not compared by purpose: they drop mentions of OpenAI and compare first queries with first replies, we compare all
    queries. Where the detector sees whole texts (they) or heads (we) it may disagree with itself, in 2% at most.
    """
    from fastchat.data.clean_sharegpt import clean_html_one_sample

    ours = {row.id: row for row in kept}
    cleaned = {chat["id"] for chat in theirs["cleaned"]}
    english = {chat["id"]: chat for chat in theirs["english"]}
    reasons = {row.id: row.reason for row in removed}
    by_id = {chat["id"]: chat for chat in chats}
    only_ours: Counter[str] = Counter()
    for name in ours.keys() - english.keys():
        code = 0 if name in cleaned else clean_html_one_sample(json.loads(json.dumps(by_id[name])))[1]
        only_ours["language" if name in cleaned else THEIR_REASONS.get(code, "duplicate")] += 1
    only_theirs = Counter(reasons.get(name, "lost") for name in english.keys() - ours.keys())
    same_words = same_text = turns = 0
    for name in ours.keys() & english.keys():
        spoken = [turn.text for turn in ours[name].turns if turn.speaker != "system"]
        for mine, other in zip(spoken, english[name]["conversations"], strict=False):
            turns += 1
            same_text += mine.split() == other["value"].split()
            same_words += _words(mine) == _words(other["value"])
    doubtful = only_ours["language"] + only_theirs["language"]
    note = (
        f"{len(ours.keys() & english.keys())} conversations kept by both, {only_ours.total()} by us alone "
        f"({_listed(only_ours)}), {only_theirs.total()} by them alone ({_listed(only_theirs)}); of {turns} turns "
        f"{same_words / turns:.1%} have the same words, {same_text / turns:.1%} the same text but for spaces"
    )
    same = not only_theirs["lost"] and doubtful <= 0.02 * len(chats) and same_words >= 0.95 * turns
    return {"same": same, "note": note}


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common() if count) or "none"


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.replace("\\_", "_"))


def _chats(count: int) -> tuple[Chats, str]:
    path = environment.data_folder(Path(__file__).parents[3] / "shared" / "data") / SAMPLE
    draw = random.Random(0)
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            originals = [json.loads(line) for line in stream]
        source = "sharegpt-sample rendered, enlarged"
    else:
        originals, source = list(_invented(draw, count // 3)), "invented, the real sample is absent"
    render = MarkdownIt("commonmark", {"html": False}).enable("table").render
    words = [word for chat in originals[:200] for turn in chat["conversations"] for word in turn["value"].split()][
        :20_000
    ]
    chats = []
    for number in range(count):
        chat = originals[number % len(originals)]
        fresh = number >= len(originals)
        turns = [_turn(turn, render, draw, words if fresh else []) for turn in chat["conversations"]]
        # A twentieth is posted twice, under another id.
        chats.append({"id": f"{chat['id']}-{number}", "conversations": turns})
        if fresh and draw.random() < 0.05:
            chats[-1]["conversations"] = chats[draw.randrange(number)]["conversations"]
    return chats, source


def _turn(turn: dict[str, str], render: Callable[[str], str], draw: random.Random, words: list[str]) -> dict[str, str]:
    text = turn["value"]
    if words:
        # One word in ten is another one: another conversation, in the same proportions. Marks stay, they are Markdown.
        text = _WORD.sub(lambda match: draw.choice(words) if draw.random() < 0.1 else match[0], text)
    if turn["from"] != "gpt":
        return {"from": turn["from"], "value": text}
    page = _CODE_BLOCK.sub(lambda m: CODE.format(m[1] or "vbnet", m[2]), render(text))
    return {"from": "gpt", "value": PAGE.format(page)}


def _invented(draw: random.Random, count: int) -> Iterator[dict[str, Any]]:
    common = [
        "the",
        "a",
        "of",
        "to",
        "and",
        "is",
        "in",
        "that",
        "it",
        "for",
        "with",
        "this",
        "can",
        "you",
        "will",
        "from",
    ]
    names = [f"{a}{b}{c}" for a in ("ba", "ko", "ri", "su") for b in ("len", "tor", "mi") for c in ("ta", "ness", "de")]

    def sentence() -> str:
        return (
            " ".join(draw.choice(common if draw.random() < 0.5 else names) for _ in range(draw.randrange(6, 20))) + "."
        )

    for number in range(count):
        turns = []
        for _ in range(draw.randrange(1, 6)):
            reply = [" ".join(sentence() for _ in range(4)), "\n".join(f"- {sentence()}" for _ in range(4))]
            reply += [f"```python\nfor i in range({number}):\n    print(i, {html.escape(sentence())!r})\n```"]
            turns += [{"from": "human", "value": sentence()}, {"from": "gpt", "value": "\n\n".join(reply)}]
        yield {"id": f"i{number}", "conversations": turns}


def _dump(folder: Path, chats: Chats) -> Path:
    folder.mkdir()
    path = folder / "dump.jsonl"
    path.write_text("".join(json.dumps(chat, ensure_ascii=False) + "\n" for chat in chats), encoding="utf-8")
    output = Output(folder / "dump", Dump)
    write_dump(output.folder, [path], [DumpSource(target="gpt-3.5-turbo")])
    output.commit()
    return output.path


def _size_mb(dump: Path) -> float:
    return sum(path.stat().st_size for path, _ in open_dump(dump)) / 1e6


def _size_mb_of(chats: Chats) -> float:
    return sum(len(json.dumps(chat, ensure_ascii=False).encode()) + 1 for chat in chats) / 1e6
