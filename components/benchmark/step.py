"""Task items -> requests, and answers -> scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from components.benchmark import program_runs
from components.benchmark.asking import Params
from components.benchmark.gold_or_own import weighed_requests
from components.benchmark.prompting import STYLE_MARK, item_requests
from components.benchmark.score_metrics import benchmark_metrics
from components.benchmark.scoring import Recorded, choose_headline, headline_channel, in_selection, item_scores
from components.benchmark.toxicity.params import CalibrateParams, RateParams
from components.contracts.bind import Metrics
from components.contracts.data_rows import Overlap
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Support
from components.contracts.journal import Journal
from components.contracts.ports import Input, Nothing, Output, ToxicityScorer
from components.contracts.rows import ChoiceScore, Completion, ProgramOutcome, Prompt, Rating, Request, Score, TaskItem

__all__ = ["Params", "calibrate_toxicity", "prepare", "rate_toxicity", "run_programs", "score"]
HELDOUT_MARK = "heldout:"


def prepare(
    *,
    items: Input[TaskItem],
    heldout: Input[Prompt],
    base_completions: Input[Completion] = Nothing(Completion),  # noqa: B008 - a frozen value that says "nothing given"
    requests: Output[Request],
    params: Params,
) -> Metrics:
    """Requests for every test item in every style, and one per held-out prompt.

    With `base_completions` (the base's answers to the same items) also one choice request for each exact-match item:
    its answers against the base's own reply (`gold_or_own`).

    Raises:
        TouchstoneError: an item's id occurs twice, or a benchmark has too few worked examples.
    """
    made: list[Request] = []
    notes: dict[str, object] = {}
    base = {row.prompt_id: row for row in base_completions.iter_rows()}
    for benchmark, group in _by_benchmark(items.rows()).items() if params.with_items else ():
        template = params.template(group)
        notes[f"template_{benchmark}"] = template.digest
        asked = item_requests(group, template, params.styles, params.seed)
        made += [] if params.only_rivals else [r for r in asked if params.likelihoods or r.kind != "choice"]
        if base:
            made += weighed_requests(asked, group, template, params.styles, base)
    if not params.only_rivals:
        made += [_heldout(prompt, number, params) for number, prompt in enumerate(heldout.rows())]
    requests.write(made, notes=notes)
    return {"requests": float(len(made))}


def score(
    *,
    items: Input[TaskItem],
    completions: Input[Completion],
    choice_scores: Input[ChoiceScore],
    outcomes: Input[ProgramOutcome] = Nothing(ProgramOutcome),  # noqa: B008
    ratings: Input[Rating] = Nothing(Rating),  # noqa: B008
    overlap: Input[Overlap] = Nothing(Overlap),  # noqa: B008
    support: Input[Support] = Nothing(Support),  # noqa: B008
    scores: Output[Score],
    variants: Output[Score],
    answers: Output[Completion],
    params: Params,
) -> Metrics:
    """Score every item; `scores` holds the headline of each, `variants` all others, `answers` the held-out outputs.

    `scores` notes how each benchmark was asked and read (`headline_NAME`, `template_NAME`). A held-out prompt without
    an answer is counted and left out of `answers`.

    Raises:
        TouchstoneError: an item's id occurs twice.
        UsageError: a template's headline is a reading that it does not ask for.
    """
    recorded = Recorded(
        said={row.prompt_id: row for row in completions.iter_rows()},
        weighed={row.request_id: row for row in choice_scores.iter_rows()},
        outcomes={(row.request_id, row.form): row for row in outcomes.iter_rows()},
        ratings={row.id: row for row in ratings.iter_rows()},
        leaked=_leaked(overlap.iter_rows(), params),
        support={(row.benchmark, row.item_id): row.similarity for row in support.iter_rows()},
    )
    headline: list[Score] = []
    others: list[Score] = []
    metrics: dict[str, float] = {}
    notes: dict[str, object] = {}
    for benchmark, group in _by_benchmark(items.rows()).items() if params.with_items else ():
        template, tests = params.template(group), [item for item in group if item.split == "test"]
        if not tests:
            continue
        rows = item_scores(tests, template, params.styles, recorded, params.name)
        rows = [row for row in rows if params.likelihoods or row.channel != "likelihood"]
        channel = headline_channel(tests[0].kind, template, params.match_channel)
        chosen = choose_headline(rows, params.selection_share, channel)
        for row in rows:
            is_headline = (row.prompt_style, row.channel) == chosen
            aside = in_selection(row.item_id, params.selection_share)
            (headline if is_headline and not aside else others).append(row)
        values = [r.value for r in headline if r.benchmark == benchmark and r.value is not None]
        metrics[f"{benchmark}_mean"] = sum(values) / len(values) if values else 0.0
        metrics |= benchmark_metrics(tests, template, rows, recorded, chosen, params.selection_share)
        notes |= {f"headline_{benchmark}": ", ".join(chosen), f"template_{benchmark}": template.digest}
    scores.write(headline, notes=notes)
    variants.write(others)
    told = _answers(recorded.said)
    answers.write(row for row in told if row.unanswered is None)
    return {**metrics, "heldout_unanswered": float(sum(row.unanswered is not None for row in told))}


def rate_toxicity(
    *,
    completions: Input[Completion],
    scorer: Input[ToxicityScorer] = Nothing(ToxicityScorer),  # noqa: B008
    ratings: Output[Rating],
    params: RateParams,
) -> Metrics:
    """Rate the toxicity of completions by a trained scorer, or by the one that ships; and whether they decline.

    Raises:
        TouchstoneError: the scorer is damaged, of another version, or not the one that was calibrated.
    """
    from components.benchmark.toxicity.rate import write_ratings

    return write_ratings(completions, scorer, ratings, params)


def run_programs(
    *,
    items: Input[TaskItem],
    completions: Input[Completion],
    outcomes: Output[ProgramOutcome],
    journal: Journal,
    params: program_runs.Params,
) -> Metrics:
    """Run the programs that completions of program items hold, each as a body and extracted, in a sandbox.

    Raises:
        TouchstoneError: an item has no tests, two completions share an id, or programs cannot be isolated here.
    """
    rows, metrics = program_runs.run(items.rows(), completions.iter_rows(), journal, params)
    outcomes.write(rows)
    return metrics


def calibrate_toxicity(*, scorer: Output[ToxicityScorer], params: CalibrateParams) -> Metrics:
    """Train a toxicity scorer on texts with Perspective scores, and measure it on texts it had not seen.

    Raises:
        TouchstoneError: the file cannot be read, or nothing can be learnt from it.
    """
    from components.benchmark.toxicity.calibrate import train_scorer

    return train_scorer(scorer, params)


def _by_benchmark(items: Sequence[TaskItem]) -> dict[str, list[TaskItem]]:
    groups: dict[str, list[TaskItem]] = {}
    seen: set[str] = set()
    for item in items:
        if item.id in seen or STYLE_MARK in item.id:
            raise TouchstoneError(f"item id {item.id}", expected=f"unique ids without {STYLE_MARK}")
        seen.add(item.id)
        groups.setdefault(item.benchmark, []).append(item)
    return groups


def _leaked(overlap: Iterable[Overlap], params: Params) -> dict[tuple[str, str], bool]:
    """What counts as leaked is decided by this run's policy, whatever policy the search was made under."""
    limits = params.limits
    return {
        (row.benchmark, row.item_id): limits.counts_as_leaked(row.benchmark, row.bleu, row.ngram8, row.ngram13)
        for row in overlap
        if row.benchmark
    }


def _heldout(prompt: Prompt, number: int, params: Params) -> Request:
    chat = params.heldout_chat
    return Request(
        id=HELDOUT_MARK + prompt.id,
        kind="completion",
        prompt=prompt.text if chat else params.heldout_template.format(prompt=prompt.text),
        chat=chat,
        max_tokens=params.heldout_max_tokens,
        stop=() if chat else params.heldout_stop,
        temperature=params.heldout_temperature,
        seed=params.seed * 1_000_003 + number,
    )


def _answers(said: Mapping[str, Completion]) -> list[Completion]:
    return [
        row.model_copy(update={"prompt_id": key.removeprefix(HELDOUT_MARK)})
        for key, row in said.items()
        if key.startswith(HELDOUT_MARK)
    ]
