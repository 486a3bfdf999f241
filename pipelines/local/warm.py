"""Gives kfp.local's subprocess runner a warm Python to start tasks with."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PRELOAD = (
    "kfp.dsl.executor",
    "great_expectations",
    "numba",
    "pandas",
    "profanity_check",
    "sklearn.feature_extraction.text",
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
    "scipy.stats",
    # Our own steps: the classes of their rows and parameters take a quarter of a second to build.
    "components.attribution.step",
    "components.benchmark.step",
    "components.generate.step",
    "components.ingest.step",
    "components.judge.step",
    "components.overlap.step",
    "components.placebo.step",
    "components.report.step",
    "components.style.step",
    "components.synthesize.step",
    "components.train.step",
    "components.validate.step",
    "components.world.step",
    # What many tasks of a study import as they begin to work.
    "components.attribution.classifiers",
    "components.generate.hf.choices",
    "components.generate.hf.completions",
    "components.report.decision",
    "components.report.report_files",
    "components.train.imitation",
    "components.train.loop",
)


@contextmanager
def warm_python(log: IO[str], preload: Sequence[str] = PRELOAD) -> Iterator[str]:
    """Path of an executable that behaves like `python -m module ...` without the wait for imports.

    The server's own messages go to `log`. Only Linux forks safely enough for this; elsewhere the
    interpreter itself is given, and tasks start cold.
    """
    if not sys.platform.startswith("linux"):
        yield sys.executable
        return
    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        address = Path(folder) / "socket"
        launcher = Path(folder) / "python"
        client = " ".join(map(shlex.quote, [sys.executable, "-S", "-E", str(HERE / "fork_client.py"), str(address)]))
        launcher.write_text(f'#!/bin/sh\nexec {client} "$@"\n')
        launcher.chmod(0o755)
        server = subprocess.Popen(
            [sys.executable, str(HERE / "fork_server.py"), str(address), *preload],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            # What kfp sets for its tasks: import only what running one needs.
            env={**os.environ, "_KFP_RUNTIME": "true"},
        )
        try:
            yield str(launcher)
        finally:
            server.kill()
            server.wait()
