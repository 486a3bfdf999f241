"""Dialogues counted as they would be trained on, for every amount of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input
from pipelines.plan.compute import Work, documents


def counted(dialogues: Path, tokenizer: Path, amounts: Sequence[int], block_tokens: int) -> list[tuple[int, int, Work]]:
    """Each amount of imitation tokens with its dialogues and what they need, cut as `touchstone data subset` cuts.

    Args:
        dialogues: An artifact of ours, in its order; a folder.
        tokenizer: A folder with a tokenizer.
        amounts: Tokens of assistants, increasing.
        block_tokens: T.

    Raises:
        TouchstoneError: the artifact or the tokenizer cannot be read, or the data are smaller than the amounts.
    """
    from transformers import AutoTokenizer

    from components.train.amounts import prefixes
    from components.train.chunking import encode_dialogue
    from components.train.tokenizer import ROLE_TOKENS

    folder = tokenizer if tokenizer.is_dir() else tokenizer.parent
    try:
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise TouchstoneError(
            f"{folder} has no tokenizer to count by: {str(error).splitlines()[0]}",
            remedy="give --tokenizer FOLDER, or leave --dialogues out",
        ) from error
    rows = Input(dialogues, Dialogue).rows()
    held = prefixes(rows, amounts, "tokens", folder)
    loaded.add_special_tokens({"additional_special_tokens": list(ROLE_TOKENS)})
    encoded = [encode_dialogue(loaded, row) for row in rows[: held[-1]]]
    found = []
    for amount, num in zip(amounts, held, strict=True):
        part = encoded[:num]
        work = documents([len(d.tokens) for d in part], sum(sum(d.learned) for d in part), block_tokens)
        found.append((amount, num, work))
    return found
