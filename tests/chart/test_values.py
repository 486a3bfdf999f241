"""values.yaml, its schema and the README say the same, and the schema lets nothing else in."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart import value_sets, values_document
from tests.chart.helm import CHART, needs_helm, refusal
from tests.chart.regenerate import README, with_table

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
# A chart that holds this one sets it, with keys of its own.
OPEN = {"global"}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return resolved(SCHEMA["definitions"][schema["$ref"].removeprefix("#/definitions/")])
    return schema


def differences(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Keys that stand in only one of the two."""
    known = resolved(schema).get("properties")
    if known is None:
        return
    for key in values.keys() ^ (known.keys() - OPEN):
        yield f"{path}.{key}"
    for key in values.keys() & known.keys():
        if isinstance(values[key], dict):
            yield from differences(values[key], known[key], f"{path}.{key}")


def test_values_and_schema_have_the_same_keys() -> None:
    assert list(differences(VALUES, SCHEMA)) == []


def objects_of(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for key, below in schema.items():
            yield from objects_of(below, f"{path}/{key}")


def test_the_schema_is_closed_everywhere() -> None:
    for path, schema in objects_of(SCHEMA):
        if path.removeprefix("/properties/") in OPEN:
            continue
        rest = schema.get("additionalProperties")
        # A map whose keys are the user's own still says what its values are.
        assert rest is False or (isinstance(rest, dict) and rest and "properties" not in schema), path


def test_the_schema_is_a_schema_and_takes_every_set_of_values() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    for name, changes in value_sets.ALL.items():
        jsonschema.validate(merged(VALUES, changes), SCHEMA), name


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(values)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return result


@needs_helm
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"objectStor": {}}, "objectStor"),
        ({"objectStore": {"bukket": "x"}}, "bukket"),
        ({"objectStore": {"kind": "gcs"}}, "kind"),
        ({"objectStore": {"endpoint": "s3.example.org"}}, "endpoint"),
        ({"objectStore": {"prefix": "/artifacts"}}, "prefix"),
        ({"objectStore": {"minio": {"storage": {"size": "lots"}}}}, "size"),
        ({"images": {"cpu": {"tag": "latest"}}}, "tag"),
        ({"images": {"cpu": {"digest": "abc"}}}, "digest"),
        ({"crowd": {"replicas": "two"}}, "replicas"),
        ({"crowd": {"resources": {"request": {"cpu": "1"}}}}, "request"),
        ({"crowd": {"tolerations": [{"keys": "x"}]}}, "keys"),
        ({"crowd": {"database": {"user": 0}}}, "user"),
        ({"training": {"runtimes": {"enabled": "yes"}}}, "enabled"),
        ({"pipelines": {"upload": {"names": []}}}, "names"),
        ({"sandbox": {"namespace": "Not A Name"}}, "namespace"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(values: dict[str, Any], said: str) -> None:
    message = refusal(values)
    assert "schema" in message
    assert said in message


def test_every_value_has_a_line_of_prose() -> None:
    found = values_document.read(CHART / "values.yaml")
    assert [value.path for value in found if not value.prose] == []
    assert len(found) > 80


def test_no_value_holds_a_secret() -> None:
    for value in values_document.read(CHART / "values.yaml"):
        last = value.path.rpartition(".")[2].lower()
        assert not last.endswith(("password", "secretkey", "accesskey", "token")), value.path


def test_the_readme_has_the_table_of_values() -> None:
    text = README.read_text()
    assert values_document.BEGIN in text
    assert with_table(text) == text, "python -m tests.chart.regenerate"
