"""`python -m tests.bench [NAME ...]`: one JSON line each, ours beside the reference on the same work."""

import importlib
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.stderr.write(f"no benchmark called {', '.join(unknown)}; there are: {', '.join(NAMES)}\n")
        return 2
    equal = True
    for name in names or NAMES:
        result = {"bench": name, **importlib.import_module(f"tests.bench.bench_{name}").run()}
        result["ratio"] = round(result["reference_s"] / result["ours_s"], 2)
        print(json.dumps(result), flush=True)
        equal &= result["equal"]
    return 0 if equal else 1


sys.exit(main(sys.argv[1:]))
