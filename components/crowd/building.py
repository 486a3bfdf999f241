"""What people will compare: completions of two models, placebos and gold labels -> pairs of a study."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from components.contracts import canonical
from components.contracts.crowd_rows import PairKind, StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.preference_rows import GoldLabel
from components.contracts.rows import Completion


class Built(NamedTuple):
    """A study's pairs, and what is not among them."""

    pairs: tuple[StudyPair, ...]
    unanswered: int
    """Prompts left out because a model gave no answer to them."""
    gold_unused: int
    """Gold labels that could not be used: ties, or without the texts they speak of."""


class Texts:
    """Answers of all models by prompt."""

    def __init__(self, ports: Iterable[Sequence[Completion]]) -> None:
        """Take the answers of every model.

        Raises:
            TouchstoneError: a model answers a prompt twice.
        """
        self._found: dict[tuple[str, str], Completion] = {}
        for rows in ports:
            for row in rows:
                key = (row.model, row.prompt_id)
                if key in self._found:
                    raise TouchstoneError(
                        f"{row.model} answers prompt {row.prompt_id} twice", expected="one answer per model and prompt"
                    )
                self._found[key] = row

    def of(self, model: str, prompt_id: str) -> Completion | None:
        """A model's answer, if it gave one."""
        found = self._found.get((model, prompt_id))
        return found if found is not None and found.unanswered is None else None


def build_pairs(
    candidate: Sequence[Completion],
    reference: Sequence[Completion],
    placebos: Mapping[str, Sequence[Completion]],
    gold: Sequence[GoldLabel],
    *,
    num_prompts: int | None,
    placebos_per_arm: int,
    seed: int,
) -> Built:
    """Pairs of candidate and reference, placebos against the reference among them, and gold.

    A prompt with a gold label of candidate and reference is no headline pair: its outcome is known, and nobody is to
    see it twice.

    Raises:
        TouchstoneError: no prompt is answered by both, one model's name stands on both sides, or a placebo was made of
            answers to other prompts.
    """
    model, opponent = _name(candidate, "candidate"), _name(reference, "reference")
    if model == opponent:
        raise TouchstoneError(f"candidate and reference are both called {model}", expected="two models")
    texts = Texts([candidate, reference, *placebos.values()])
    maker = _Maker(texts, seed)
    golden = [pair for label in gold if (pair := maker.gold(label)) is not None]
    settled = {pair.prompt_id for pair in golden if {pair.model, pair.opponent} == {model, opponent}}
    asked = [row.prompt_id for row in reference]
    both = [prompt_id for prompt_id in asked if texts.of(model, prompt_id) and texts.of(opponent, prompt_id)]
    if not both:
        raise TouchstoneError(
            f"no prompt is answered by both {model} and {opponent}", expected="answers of both to the same prompts"
        )
    chosen = _sample([p for p in both if p not in settled], num_prompts, seed, "headline")
    pairs = [maker.pair("headline", model, opponent, prompt_id) for prompt_id in chosen]
    for rows in placebos.values():
        if rows:
            arm = _name(rows, "placebo")
            _refuse_strangers(arm, rows, both)
            answered = [prompt_id for prompt_id in both if texts.of(arm, prompt_id)]
            drawn = _sample(answered, placebos_per_arm, seed, arm)
            pairs += [maker.pair("placebo", arm, opponent, prompt_id) for prompt_id in drawn]
    return Built((*pairs, *golden), len(asked) - len(both), len(gold) - len(golden))


class _Maker:
    """Makes pairs of texts."""

    def __init__(self, texts: Texts, seed: int) -> None:
        self._texts = texts
        self._seed = seed

    def pair(self, kind: PairKind, model: str, opponent: str, prompt_id: str, **fields: str) -> StudyPair:
        ours, theirs = self._texts.of(model, prompt_id), self._texts.of(opponent, prompt_id)
        assert ours is not None
        assert theirs is not None
        identity = canonical.digest([kind, model, opponent, prompt_id])[:16]
        return StudyPair.model_validate(
            {
                "pair_id": f"p{identity}",
                "prompt_id": prompt_id,
                "prompt": theirs.prompt or ours.prompt,
                "model": model,
                "opponent": opponent,
                "output": ours.text,
                "opponent_output": theirs.text,
                "kind": kind,
                "seed": self._seed,
                **fields,
            }
        )

    def gold(self, label: GoldLabel) -> StudyPair | None:
        """A gold pair; None where nothing wrong could be answered, or a text is missing."""
        known = all(self._texts.of(name, label.prompt_id) for name in (label.model, label.opponent))
        if label.outcome == "tie" or not known:
            return None
        return self.pair("gold", label.model, label.opponent, label.prompt_id, expected=label.outcome)


def _name(rows: Sequence[Completion], port: str) -> str:
    names = sorted({row.model for row in rows})
    if len(names) != 1:
        raise TouchstoneError(
            f"{port} holds answers of {len(names)} models: {', '.join(names) or 'nobody'}", expected="one model's"
        )
    return names[0]


def _refuse_strangers(arm: str, rows: Sequence[Completion], asked: Sequence[str]) -> None:
    if not {row.prompt_id for row in rows} & set(asked):
        raise TouchstoneError(
            f"{arm} holds answers to {len(rows)} prompts, none of which candidate and reference both answered",
            expected="a placebo of answers to the prompts of this study: raters would see nothing of this one",
            remedy="touchstone judge placebos, on the answers that are compared here",
        )


def _sample(prompt_ids: Sequence[str], size: int | None, seed: int, what: str) -> list[str]:
    """A random subset in the order of the prompts; it does not depend on that order."""
    if size is None or size >= len(prompt_ids):
        return list(prompt_ids)
    drawn = set(random.Random(f"{what}|{seed}").sample(sorted(prompt_ids), size))
    return [prompt_id for prompt_id in prompt_ids if prompt_id in drawn]
