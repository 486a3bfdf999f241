"""Sentence BLEU from counts of matching n-grams, exactly as sacrebleu computes it with its defaults.

For a hypothesis of m tokens and one reference of r tokens, with c_n of its t_n = m - n + 1 n-grams matched (clipped):

    BLEU = exp(min(0, 1 - r / m)) * (p_1 p_2 p_3 p_4)^(1/4),    p_n = 100 c_n / t_n

Orders longer than the hypothesis are left out ("effective order"). Where c_n = 0, p_n = 100 / (2^k t_n) for the k-th
such order ("exp" smoothing, Chen and Cherry 2014, method 3). No matching token at all: 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from components.contracts.compiled import Floats, inlined, kernel

MAX_ORDER = 4
_LOG_100 = math.log(100.0)
_LOG_2 = math.log(2.0)


def sentence_bleu(matches: Sequence[int], hypothesis_tokens: int, reference_tokens: int) -> float:
    """BLEU, 0 to 100, in the order of operations of sacrebleu's `compute_bleu`: equal to the last bit.

    Args:
        matches: Matched n-grams of orders 1 to 4.
        hypothesis_tokens: Length of the hypothesis.
        reference_tokens: Length of the reference.
    """
    if not any(matches):
        return 0.0
    penalty = 1.0
    if hypothesis_tokens < reference_tokens:
        penalty = math.exp(1 - reference_tokens / hypothesis_tokens)
    order = min(MAX_ORDER, hypothesis_tokens)
    smooth = 1.0
    logs = []
    for n, matched in enumerate(matches[:order]):
        total = hypothesis_tokens - n
        if matched == 0:
            smooth *= 2
            logs.append(math.log(100.0 / (smooth * total)))
        else:
            logs.append(math.log(100.0 * matched / total))
    return penalty * math.exp(sum(logs) / order)


def log_table(longest: int) -> Floats:
    """log(0), ..., log(longest); the first is never used."""
    return np.log(np.maximum(np.arange(longest + 2, dtype=np.float64), 1.0))


@inlined
def log_bleu(c1: int, c2: int, c3: int, c4: int, m: int, r: int, logs: Floats) -> float:
    """log of BLEU; `logs` is `log_table(m)` or longer. At least one token matches."""
    order = min(MAX_ORDER, m)
    total = logs[c1] - logs[m]
    halvings = 0
    if order > 1:
        if c2 == 0:
            halvings += 1
        total += (logs[c2] if c2 > 0 else -halvings * _LOG_2) - logs[m - 1]
    if order > 2:
        if c3 == 0:
            halvings += 1
        total += (logs[c3] if c3 > 0 else -halvings * _LOG_2) - logs[m - 2]
    if order > 3:
        if c4 == 0:
            halvings += 1
        total += (logs[c4] if c4 > 0 else -halvings * _LOG_2) - logs[m - 3]
    found = total / order + _LOG_100
    if r > m:
        found += 1.0 - r / m
    return found  # type: ignore[no-any-return]


@kernel
def highest_log_bleu(m: int, r: int, logs: Floats) -> float:
    """log of the highest BLEU that any reference of r tokens can give a hypothesis of m: everything matches."""
    c = min(m, r)
    return log_bleu(c, max(0, c - 1), max(0, c - 2), max(0, c - 3), m, r, logs)
