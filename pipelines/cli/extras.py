"""Which extra brings a package that a command needs and the core install does not have."""

from __future__ import annotations

from collections.abc import Mapping

from components.contracts.errors import TouchstoneError

EXTRAS: Mapping[str, str] = {
    "datasets": "data",
    "great_expectations": "data",
    "html_to_markdown": "data",
    "lingua": "data",
    "numba": "data",
    "phonenumbers": "data",
    "profanity_check": "data",
    "pyarrow": "data",
    "stdnum": "data",
    "certifi": "api",
    "urllib3": "api",
    "umap": "attribution",
    "boto3": "crowd",
    "alembic": "crowd",
    "fastapi": "crowd",
    "itsdangerous": "crowd",
    "markdown_it": "crowd",
    "multipart": "crowd",
    "nh3": "crowd",
    "psycopg": "crowd",
    "sqlalchemy": "crowd",
    "uvicorn": "crowd",
    "docker": "run",
    "kfp": "run",
    "kubernetes": "cluster",
    "minio": "cluster",
    "safetensors": "train",
    "tokenizers": "train",
    "torch": "train",
    "transformers": "train",
}
"""Package -> the extra of pyproject.toml that names it, or that names what brings it."""


def what_to_install(error: ModuleNotFoundError) -> TouchstoneError | None:
    """What to tell a user whose install lacks a package; None when the missing module is a defect of ours."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return TouchstoneError(
        f"this needs the package {package}, which is not installed",
        expected=f"an install with the extra {EXTRAS[package]}",
        remedy=f"pip install 'touchstone-audit[{EXTRAS[package]}]', or '.[{EXTRAS[package]}]' in a checkout",
    )
