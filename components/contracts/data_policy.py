"""What imitation data must be, as numbers: the `data` part of a policy, enforced by `validate`, printed by `report`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.data_rows import Bleu
from components.contracts.rows import Count, Unit


class DataPolicy(BaseModel):
    """Thresholds of the data-quality gate. Put on record with the rest of the policy before anything is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_dialogues: Count = 20
    """Error below this many dialogues."""
    max_duplicate_share: Unit = 0.01
    """Error when a larger share of dialogues asks what another one asks."""
    max_leaked_share: Unit = 0.0
    """Error when a larger share repeats a held-out prompt or a test question word for word."""
    max_dirty_share: Unit = 0.05
    """Warning when a larger share of a benchmark's items counts as leaked."""
    prompt_bleu: Bleu = 20.0
    """A held-out prompt counts as leaked above this BLEU to any training text (the study's limit)."""
    item_bleu: Bleu = 60.0
    """A benchmark item counts as leaked above this BLEU; short questions share phrases, so the limit is higher."""
    item_ngram8: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """A benchmark item counts as leaked when at least this share of its 8-grams is found."""
    item_ngram13: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-9
    """A benchmark item counts as leaked when at least this share of its 13-grams is found; by default, any."""
    max_reply_words: Count = 20_000
    """Warning when a reply is longer: a pasted book is no answer, and a training block cuts it anyway."""
    max_short_reply_share: Unit = 0.5
    """Warning when a larger share of dialogues has fewer than five reply words."""
    min_english_share: Unit = 0.9
    """Warning when a smaller share of the replies is English: the style metrics read English only."""
    min_distinct_replies: Unit = 0.05
    """Warning when a smaller share of replies is distinct: a target that says one thing teaches one thing."""
    max_diversity_bleu: Bleu = 50.0
    """Warning when queries come nearer than this, on average, to their nearest other query (the study: 8)."""
    max_category_share: Unit = 0.9
    """Warning when one category of Table 5 holds a larger share of the queries."""
    max_toxic_share: Unit = 0.02
    """Warning when a larger share of dialogues has a toxic reply."""
    require_passport: bool = False
    """True: a dialogue whose passport lacks the target's date or the terms closes the gate; False: it warns."""

    def counts_as_leaked(self, benchmark: str, bleu: float, ngram8: float | None, ngram13: float | None) -> bool:
        """Whether a held-out text with these nearest training texts is leaked.

        Args:
            benchmark: Its benchmark; empty for a held-out prompt.
            bleu: Highest BLEU to a training text, 0 to 100.
            ngram8: Share of its 8-grams found, None for a shorter text.
            ngram13: The same for 13-grams.
        """
        # Rounding: an equal text may score 100 + 4e-14, and a limit of 100 must let everything through.
        bleu = min(100.0, bleu)
        if not benchmark:
            return bleu > self.prompt_bleu
        found8, found13 = ngram8 or 0.0, ngram13 or 0.0
        return bleu > self.item_bleu or found8 >= self.item_ngram8 or found13 >= self.item_ngram13
