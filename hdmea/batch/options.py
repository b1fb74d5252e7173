"""The page of all options: the configuration's schema, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hdmea.batch.config import config_schema

_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_HEAD = """# Every option

Written by `make schemas` of the models in `hdmea/`, as `workflow/schemas/config.schema.yaml` is; a
test compares. *Needed* stands where there is no default. What an option changes in the results is
defined in [docs/definitions.md](../docs/definitions.md); [config.yaml](config.yaml) is a whole
configuration, with reasons.
"""


def options_page() -> str:
    """The page, in Markdown: keys of the configuration, then parameters by step and by feature."""
    schema = config_schema()
    models: Mapping[str, Any] = schema["$defs"]
    texts = [_HEAD, "## The configuration\n", *_table(schema, models)]
    for step, said in models["Steps"]["properties"].items():
        texts += [f"\n## `steps.{step}`\n", *_table(_model(said, models), models)]
    for feature, said in models["FeatureParameters"]["properties"].items():
        title = f"\n## `steps.extract_features.parameters.{feature}`\n"
        texts += [title, *_table(_model(said, models), models)]
    return "\n".join(texts).rstrip() + "\n"


def _table(model: Mapping[str, Any], models: Mapping[str, Any]) -> Iterator[str]:
    rows = list(_rows(model, models, "", model.get("required", ())))
    if not rows:
        yield "It has no parameters."
        return
    yield "| option | values | default | what |"
    yield "|---|---|---|---|"
    yield from rows


def _rows(
    model: Mapping[str, Any], models: Mapping[str, Any], before: str, needed: Any
) -> Iterator[str]:
    for name, said in model.get("properties", {}).items():
        inside = _model(said, models)
        if name in ("steps", "parameters") and not before:
            yield f"| `{name}` | see below | | {_cell(said['description'])} |"
        elif "properties" in inside:
            default = "none" if said.get("default", 0) is None else ""
            what = _cell(said.get("description", ""))
            yield f"| `{before}{name}` | a group | {default} | {what} |"
            yield from _rows(inside, models, f"{before}{name}.", inside.get("required", ()))
        else:
            default = _default(said) if "default" in said else "needed" if name in needed else ""
            what = _cell(said.get("description", ""))
            yield f"| `{before}{name}` | {_cell(_values(said, models))} | {default} | {what} |"


def _model(said: Mapping[str, Any], models: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model that a property refers to, also if it may be absent; else the property."""
    for one in (said, *said.get("anyOf", ())):
        if "$ref" in one:
            found: Mapping[str, Any] = models[one["$ref"].rpartition("/")[2]]
            return found
    return said


def _values(said: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    if "$ref" in said:
        return _values(models[said["$ref"].rpartition("/")[2]], models)
    if "anyOf" in said:
        return " or ".join(_values(one, models) for one in said["anyOf"])
    if "enum" in said:
        return ", ".join(f"`{value}`" for value in said["enum"])
    if "const" in said:
        return f"`{said['const']}`"
    kind = said.get("type", "any")
    if kind == "array":
        inside = said.get("items") or {}
        return f"list of {_values(inside, models)}" if inside else "list"
    words = {"null": "none", "boolean": "true, false", "string": "text", "object": "a group"}
    limits = [f"{sign} {said[key]}" for key, sign in _LIMITS.items() if key in said]
    return " ".join([words.get(kind, kind), ", ".join(limits)]).strip()


def _default(said: Mapping[str, Any]) -> str:
    value = said["default"]
    return "none" if value is None else f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
