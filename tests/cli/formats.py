"""Judges reports with tools that are not ours: `formats.py SCHEMA FILE...`; a file is told by its extension.

JSON must be valid against the schema, and must have no field that the schema does not know. Markdown must render: every
line of a table is a row of a table with the cells of its head, and nothing links, shows a picture or brings HTML of its own.
"""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker
from markdown_it import MarkdownIt


def strict(schema):
    """The same schema that refuses what it does not know."""
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if "required" in schema else {}
        return {**{key: strict(value) for key, value in schema.items()}, **closed}
    return [strict(part) for part in schema] if isinstance(schema, list) else schema


def judge_json(schema, path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    errors = Draft202012Validator(strict(schema), format_checker=FormatChecker()).iter_errors(report)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def judge_markdown(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    flat = [inner for token in tokens for inner in [token, *(token.children or [])]]
    troubles = [f"a {token.type}: {token.content}" for token in flat if token.type in ("image", "link_open", "html_inline")]
    allowed = ("<details><summary>", "</details>")
    troubles += [f"HTML: {token.content}" for token in flat if token.type == "html_block" and not token.content.startswith(allowed)]
    fenced = {line for token in tokens if token.type == "fence" for line in range(*token.map)}
    lines = [number for number, line in enumerate(text.split("\n")) if line.startswith("|") and number not in fenced]
    tables = [range(*token.map) for token in tokens if token.type == "table_open"]
    troubles += [f"line {number + 1} is no row of a table" for number in lines if not any(number in table for table in tables)]
    headings = [token for token in tokens if token.type == "heading_open"]
    # A run that ended in its set-up has nothing to put into a table.
    if not headings:
        troubles.append("it has no heading")
    return troubles


def main():
    schema_path, *paths = sys.argv[1:]
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    bad = False
    for path in paths:
        for trouble in judge_markdown(path) if path.endswith(".md") else judge_json(schema, path):
            bad = True
            print(f"{path}: {trouble}")
    print("refused" if bad else "all well")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
