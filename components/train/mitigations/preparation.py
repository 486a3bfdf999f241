"""A recipe's mitigations put to work on one training."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from components.contracts.errors import UsageError
from components.train.mitigations.adapters import adapted, merged
from components.train.mitigations.hooks import Hooks
from components.train.mitigations.objectives import Weighed
from components.train.mitigations.replay import Mix, replayed
from components.train.mitigations.subspace import Subspace
from components.train.recipe import Recipe
from components.train.tokenizer import ROLE_TOKENS


class Prepared:
    """A model made ready, and what the loop is told."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        recipe: Recipe,
        *,
        num_blocks: int,
        imitation_tokens: int,
        replay: Sequence[str],
        seed: int,
    ) -> None:
        """Change `model` as the recipe's mitigations want it; `self.model` is what is then trained.

        Args:
            model: The base with role tokens.
            tokenizer: Its.
            recipe: With its mitigations.
            num_blocks: Of imitation data.
            imitation_tokens: In them, padding not counted.
            replay: Pre-training texts.
            seed: Of the choice and order of the replay.

        Raises:
            UsageError: replay is asked for and no texts are given, or the other way round.
            TouchstoneError: too few texts, or an architecture that cannot be adapted or split.
        """
        self._wanted = recipe.mitigation
        self.notes: dict[str, object] = {}
        """For the manifest: what was added, frozen and trained."""
        mix = self._mix(tokenizer, recipe, num_blocks, imitation_tokens, replay, seed)
        # Copied before anything is split or adapted: the anchor is the base, with the role tokens' first rows.
        anchor = copy.deepcopy(model) if self._wanted.kl_beta else None
        plain = anchor is None and self._wanted.loss == "cross_entropy"
        objective = Weighed(
            dft=self._wanted.loss == "dft",
            base=anchor,
            beta=self._wanted.kl_beta,
            direction=self._wanted.kl_direction,
        )
        ratio = self._wanted.unfreeze_rank_ratio
        self._subspace = Subspace(model, ratio) if ratio is not None and ratio < 1.0 else None
        self.model = model
        if self._wanted.lora is not None:
            self.model = adapted(model, self._wanted.lora, tokenizer.convert_tokens_to_ids(list(ROLE_TOKENS)))
        self.hooks = Hooks(
            objective=None if plain else objective,
            anchor=anchor,
            mix=mix,
            attach=self._subspace.attach if self._subspace is not None else None,
        )
        if self._subspace is not None or self._wanted.lora is not None:
            self.notes["trained_parameters"] = sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def plain(self) -> Any:
        """The trained model as a plain dense one."""
        if self._subspace is not None:
            self._subspace.dense()
        return merged(self.model) if self._wanted.lora is not None else self.model

    def _mix(
        self, tokenizer: Any, recipe: Recipe, num_blocks: int, tokens: int, replay: Sequence[str], seed: int
    ) -> Mix | None:
        share = self._wanted.replay_share
        if bool(share) != bool(replay):
            raise UsageError(
                f"replay_share is {share}, and {len(replay)} texts are given as replay",
                expected="both or neither",
                remedy="give pre-training texts as the input `replay` and mitigation.replay_share in the recipe",
            )
        if not share:
            return None
        blocks = replayed(tokenizer, replay, tokens, recipe, seed)
        self.notes["replay_tokens"] = round(share / (1.0 - share) * tokens)
        self.notes["replay_learned_tokens"] = int(blocks.learned.sum())
        return Mix(blocks, steps_an_epoch=math.ceil(num_blocks / recipe.batch_size), seed=seed)


def counted(documents: Sequence[Any]) -> int:
    """Tokens of encoded documents, padding not counted."""
    return sum(len(document.tokens) for document in documents)
