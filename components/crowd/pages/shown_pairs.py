"""Pairs as HTML, made once and kept while there is room."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from components.crowd.pages.paper import markdown
from components.crowd.pages.safe_markdown import plain
from components.crowd.tables import Pair

CACHED_CHARACTERS = 32 << 20


class ShownPair(NamedTuple):
    """A pair as HTML."""

    prompt: Markup
    output: Markup
    opponent_output: Markup


class ShownPairs:
    """The pairs that were shown last, up to so many characters: a pair is the same for all of its raters."""

    def __init__(self, characters: int = CACHED_CHARACTERS) -> None:
        """Room for so many characters of HTML, and for one pair however long."""
        self._room = characters
        self._pages: OrderedDict[int, ShownPair] = OrderedDict()
        self._characters = 0
        self._lock = Lock()

    def of(self, session: Session, pair_id: int) -> ShownPair:
        """A pair, made or kept."""
        with self._lock:
            if pair_id in self._pages:
                self._pages.move_to_end(pair_id)
                return self._pages[pair_id]
        texts = session.execute(select(Pair.prompt, Pair.output, Pair.opponent_output).where(Pair.id == pair_id)).one()
        made = ShownPair(Markup(plain(texts[0])), markdown(texts[1]), markdown(texts[2]))
        with self._lock:
            if pair_id not in self._pages:
                self._pages[pair_id] = made
                self._characters += sum(map(len, made))
            while self._characters > self._room and len(self._pages) > 1:
                self._characters -= sum(map(len, self._pages.popitem(last=False)[1]))
        return made
