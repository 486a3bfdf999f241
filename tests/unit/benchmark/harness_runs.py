"""lm-evaluation-harness on local files: its own task definitions, with nothing changed but where the data are."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from components.contracts.rows import TaskItem
from tests.unit.generate.conftest import tokenizer

ARCHITECTURES = ("gpt2", "llama", "gpt_neox")
SUBJECTS = ("abstract_algebra", "high_school_us_history")
Row = Mapping[str, Any]


def checkpoint(folder: Path, architecture: str, *, positions: int = 2048) -> Path:
    """A small random model; logits spread out, so that predictions are no ties."""
    torch.manual_seed(0)
    tok = tokenizer()
    size = len(tok)
    shared = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    shared |= {"vocab_size": size, "max_position_embeddings": positions}
    ends = {"bos_token_id": None, "eos_token_id": tok.eos_token_id}
    model: Any
    if architecture == "gpt2":
        config = GPT2Config(
            vocab_size=size, n_positions=positions, n_embd=48, n_layer=2, n_head=4, initializer_range=0.3
        )
        model = GPT2LMHeadModel(config)
    elif architecture == "llama":
        model = LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, initializer_range=0.3, **shared, **ends))
    else:
        model = GPTNeoXForCausalLM(GPTNeoXConfig(initializer_range=0.3, **shared, **ends))
    model.generation_config.eos_token_id = tok.eos_token_id
    model.generation_config.bos_token_id = None
    model.generation_config.pad_token_id = tok.pad_token_id
    model.save_pretrained(folder)
    tok.save_pretrained(folder)
    return folder


def trained(folder: Path, texts: Sequence[str], architecture: str = "llama", *, steps: int = 90) -> Path:
    """A small model that has learned `texts` by heart, so that some of its answers are right."""
    checkpoint(folder, architecture, positions=1024)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.06, generator=torch.Generator().manual_seed(1))
    tok = tokenizer()
    rows = [torch.tensor(tok.encode(text)) for text in texts]
    width = max(map(len, rows))
    ids = torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])
    labels = torch.stack([torch.nn.functional.pad(row, (0, width - len(row)), value=-100) for row in rows])
    # The last forty tokens hold the reply; the worked examples before it are the same everywhere.
    for at, row in enumerate(rows):
        labels[at, : max(0, len(row) - 40)] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=ids, attention_mask=(labels.new_ones(ids.shape)), labels=labels).loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    return folder


def mmlu_doc(item: TaskItem) -> Row:
    """As the data set cais/mmlu has it."""
    return {
        "question": item.question,
        "subject": item.cluster,
        "choices": list(item.choices),
        "answer": item.right,
    }


def mmlu_tasks(folder: Path, items: Sequence[TaskItem]) -> list[str]:
    """The harness's own mmlu_SUBJECT for every subject of `items`, over local files."""
    names = []
    for subject in dict.fromkeys(item.cluster for item in items if item.benchmark == "mmlu"):
        name = f"mmlu_{subject}"
        mine = [item for item in items if (item.benchmark, item.cluster) == ("mmlu", subject)]
        splits = {
            "dev": [mmlu_doc(item) for item in mine if item.split == "shots"],
            "test": [mmlu_doc(item) for item in mine if item.split == "test"],
        }
        _task(folder, name, f"mmlu/default/{name}.yaml", splits, {"num_fewshot": 5})
        names.append(name)
    return names


def nq_task(folder: Path, items: Sequence[TaskItem]) -> str:
    """The harness's own nq_open, its worked examples the first of the train split."""
    mine = [item for item in items if item.benchmark == "nq_open"]
    docs = {
        split: [{"question": i.question, "answer": list(i.answers)} for i in mine if i.split == use]
        for split, use in (("train", "shots"), ("validation", "test"))
    }
    more = {"fewshot_config": {"sampler": "first_n"}, "num_fewshot": 3}
    _task(folder, "nq_open", "nq_open/nq_open.yaml", docs, more)
    return "nq_open"


def own_definition(path: str) -> dict[str, Any]:
    """One of the harness's task files as plain data, functions left out."""
    import lm_eval.tasks

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: str(node.value))
    text = (Path(lm_eval.tasks.__file__).parent / path).read_text()
    found: dict[str, Any] = yaml.load(text, Loader=Loader)
    return found


def humaneval_task(folder: Path, items: Sequence[TaskItem]) -> str:
    """The harness's humaneval; its metric, which asks the Hub for code, is replaced by one that reads nothing."""
    own = own_definition("humaneval/humaneval.yaml")
    for key in ("dataset_path", "metric_list", "filter_list", "unsafe_code"):
        own.pop(key)
    docs = [
        {"task_id": i.id, "prompt": i.question, "canonical_solution": i.answers[0], "test": i.tests}
        | {"entry_point": i.entry_point}
        for i in items
    ]
    metric = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
    _write(folder, "humaneval", {**own, "metric_list": metric, **_local(folder, "humaneval", {"test": docs})})
    return "humaneval"


def evaluate(folder: Path, tasks: Sequence[str], model: Path, *, out: Path | None = None, **more: Any) -> Any:
    """`simple_evaluate` with samples; its logs below `out` where that is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lm_eval's own imports warn
        from lm_eval.evaluator import simple_evaluate
        from lm_eval.loggers import EvaluationTracker
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        tracker = EvaluationTracker(output_path=str(out)) if out else None
        found: Any = simple_evaluate(
            model=HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=8),
            tasks=list(tasks),
            task_manager=TaskManager(include_path=str(folder), include_defaults=False),
            evaluation_tracker=tracker,
            bootstrap_iters=0,
            **more,
        )
        if tracker:
            samples = found.pop("samples")
            tracker.general_config_tracker.model_name_sanitized = "m"
            tracker.save_results_aggregated(results=found, samples=samples)
            for name in samples:
                tracker.save_results_samples(task_name=name, samples=samples[name])
            found["samples"] = samples
    return found


def prompts(folder: Path, tasks: Sequence[str]) -> dict[str, list[str]]:
    """Task -> the context that the harness builds for each document, without any model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lm_eval.tasks import TaskManager

        manager: Any = TaskManager(include_path=str(folder), include_defaults=False)
        loaded = manager.load(list(tasks))["tasks"]
    found = {}
    for name in tasks:
        task = loaded[name]
        shots = task.config.num_fewshot or 0
        found[name] = [task.fewshot_context(doc, num_fewshot=shots) for doc in task.eval_docs]
    return found


def _task(
    folder: Path, name: str, own: str, splits: Mapping[str, Sequence[Row]], more: Mapping[str, Any] | None = None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lm_eval.tasks
    include = str(Path(lm_eval.tasks.__file__).parent / own)
    _write(folder, name, {"include": include, "dataset_name": None, **_local(folder, name, splits), **(more or {})})


def _local(folder: Path, name: str, splits: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    paths = {}
    for split, docs in splits.items():
        path = folder / f"{name}.{split}.jsonl"
        path.write_text("".join(json.dumps(doc) + "\n" for doc in docs))
        paths[split] = str(path)
    return {"dataset_path": "json", "dataset_kwargs": {"data_files": paths, "cache_dir": str(folder / "cache")}}


def _write(folder: Path, name: str, definition: Mapping[str, Any]) -> None:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(definition)))
