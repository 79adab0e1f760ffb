"""Validates YAML files against a JSON Schema with `jsonschema` and `PyYAML`: SCHEMA FILE...

Prints a JSON object: for each file null, or what is wrong with it. Scalars are resolved as YAML 1.2 does it.
"""

import json
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """PyYAML speaks YAML 1.1, where `on` is true and `1:30` is 90."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)


def count(value, seen=0):
    """How many values a document stands for, aliases counted as often as they stand there; a bomb is refused."""
    if seen > 100_000:
        raise ValueError("it stands for too many values")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        seen = count(part, seen + 1)
    return seen


def trouble(validator, path):
    try:
        with open(path, "rb") as file:
            document = yaml.load(file, Loader)
        count(document)
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        return f"no YAML: {error}"
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    return error and f"{error.json_path}: {error.message}"[:300]


def main(schema, *paths):
    with open(schema, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    json.dump({path: trouble(validator, path) for path in paths}, sys.stdout)


main(*sys.argv[1:])
