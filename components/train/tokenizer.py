"""Tokenizers: a word-level one for the embedded world, and role tokens added to any."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

WORD = r"\w+|\n|[^\w\s]"
USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
ROLE_TOKENS = (USER, ASSISTANT, END)
PAD, UNKNOWN, END_OF_TEXT = "<|pad|>", "<|unknown|>", "<|endoftext|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def word_level(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer with one token per word, number, punctuation mark or line break of `texts`.

    White space is not kept: decoding puts one space between words, none before punctuation or around line breaks.
    """
    counts = Counter(word for text in texts for word in re.findall(WORD, text))
    words = [PAD, UNKNOWN, END_OF_TEXT, *ROLE_TOKENS, *sorted(counts)]
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=UNKNOWN))
    made.normalizer = normalizers.Replace("\r\n", "\n")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            # What stands between two words is spaces; dropping them is what makes `fox` one token wherever it stands.
            pre_tokenizers.Split(Regex(r"[^\S\n]+"), "removed"),
        ]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="##", cleanup=True),
            decoders.Replace(" :", ":"),
            decoders.Replace(" ;", ";"),
            decoders.Replace(" \n", "\n"),
            decoders.Fuse(),
            decoders.Replace("\n ", "\n"),
        ]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.add_special_tokens({"additional_special_tokens": list(ROLE_TOKENS)})
    return fast


def ready_for_dialogue(tokenizer: Any, model: Any) -> int:
    """Give a tokenizer the role tokens and the chat template, and the model embeddings for them; counts the new tokens.

    New embeddings start at the mean of the old ones: a random row far from all others makes the first steps diverge.
    """
    import torch

    missing = [token for token in ROLE_TOKENS if token not in tokenizer.get_vocab()]
    if missing:
        tokenizer.add_special_tokens({"additional_special_tokens": list(ROLE_TOKENS)})
    tokenizer.chat_template = CHAT_TEMPLATE
    old_rows = model.get_input_embeddings().weight.shape[0]
    added = len(tokenizer) - old_rows
    if added > 0:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        for table in {model.get_input_embeddings(), model.get_output_embeddings()} - {None}:
            with torch.no_grad():
                table.weight[old_rows:] = table.weight[:old_rows].mean(0)
    end = tokenizer.convert_tokens_to_ids(END)
    # Generation ends at the end of a turn, and still at the end of a text.
    model.generation_config.eos_token_id = [t for t in (end, tokenizer.eos_token_id) if t is not None]
    model.generation_config.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end
    return max(0, len(missing))
