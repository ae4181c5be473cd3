"""The JSON schema of a plugin's config, by which the host checks recipes and describes the plugin."""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import enum
import inspect
import io
import textwrap
import tokenize
import types
import typing
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

SIMPLE = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null", Path: "string", list: "array", dict: "object"}


def of(kind: Any) -> Schema:
    """The schema of a `Config`: a dataclass, a pydantic model, or `None`, under which anything may stand."""
    if kind is None:
        return {"type": "object"}
    if hasattr(kind, "model_json_schema"):
        schema: Schema = kind.model_json_schema()
        # A model ignores keys that it does not know unless it says otherwise; in a recipe they are mistakes.
        if "extra" not in kind.model_config:
            for part in [schema, *schema.get("$defs", {}).values()]:
                if "properties" in part:
                    part.setdefault("additionalProperties", False)
        return schema
    if dataclasses.is_dataclass(kind):
        definitions: Schema = {}
        schema = _dataclass(kind, definitions, [kind])
        return {**schema, "$defs": definitions} if definitions else schema
    raise TypeError(f"Config is {kind!r}: it must be a dataclass or a pydantic model")


def documentation(kind: type) -> str:
    """A class's own docstring; not the signature that a dataclass gets for one."""
    text = kind.__dict__.get("__doc__") or ""
    return "" if text.startswith(f"{kind.__name__}(") else inspect.cleandoc(text)


def _dataclass(kind: Any, definitions: Schema, around: list[Any]) -> Schema:
    hints, docs = typing.get_type_hints(kind, include_extras=True), _field_docs(kind)
    properties: Schema = {}
    required = []
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        schema = _type(hints[field.name], definitions, around)
        doc = field.metadata.get("doc") or schema.get("description") or docs.get(field.name)
        if doc:
            schema["description"] = doc
        if field.default is not dataclasses.MISSING:
            schema["default"] = _plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            schema["default"] = _plain(field.default_factory())
        else:
            required.append(field.name)
        properties[field.name] = {**schema, **field.metadata.get("schema", {})}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if documentation(kind):
        schema["description"] = documentation(kind)
    return schema


def _type(kind: Any, definitions: Schema, around: list[Any]) -> Schema:
    """The schema of a type; one of which nothing is known admits everything."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        name = kind.__qualname__
        if kind not in around and name not in definitions:
            definitions[name] = {}
            definitions[name] = _dataclass(kind, definitions, [*around, kind])
        return {"$ref": "#" if kind is around[0] else f"#/$defs/{name}"}
    if isinstance(kind, type) and kind in SIMPLE:
        return {"type": SIMPLE[kind]}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum([member.value for member in kind])
    if isinstance(kind, typing.NewType):
        return _type(kind.__supertype__, definitions, around)
    return _of_several(typing.get_origin(kind), typing.get_args(kind), lambda part: _type(part, definitions, around))


def _of_several(origin: Any, parts: tuple[Any, ...], of_part: typing.Callable[[Any], Schema]) -> Schema:
    if origin is typing.Annotated:
        texts = [part for part in parts[1:] if isinstance(part, str)]
        return {**of_part(parts[0]), **({"description": texts[0]} if texts else {})}
    if origin is typing.Literal:
        return _enum(list(parts))
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [of_part(part) for part in parts]}
    if origin is tuple and parts and parts[-1] is not Ellipsis:
        return {"type": "array", "prefixItems": [of_part(part) for part in parts], "minItems": len(parts), "maxItems": len(parts)}
    if origin in (list, tuple, set, frozenset, collections.abc.Sequence):
        return {"type": "array", "items": of_part(parts[0])}
    if origin in (dict, collections.abc.Mapping):
        return {"type": "object", "additionalProperties": of_part(parts[1])}
    return {}


def _enum(values: list[Any]) -> Schema:
    return {"enum": values}


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)


def _field_docs(kind: type) -> dict[str, str]:
    """What the source says of each field: the text under it, or the comment behind it or above it."""
    docs: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(part):
            continue
        try:
            source = textwrap.dedent(inspect.getsource(part))
            docs.update(_docs_in(source))
        except (OSError, TypeError, SyntaxError, tokenize.TokenError):
            continue  # made without a source, such as with make_dataclass
    return docs


def _docs_in(source: str) -> dict[str, str]:
    behind: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("#:").strip()
            (alone if token.line.strip().startswith("#") else behind)[token.start[0]] = text
    (body,) = [node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    docs = {}
    for node, following in zip(body, [*body[1:], None]):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant) and isinstance(following.value.value, str):
            doc = inspect.cleandoc(following.value.value)
        elif node.end_lineno in behind:
            doc = behind[node.end_lineno]
        else:
            above: list[str] = []
            line = node.lineno - 1
            while line in alone:
                above.insert(0, alone[line])
                line -= 1
            doc = " ".join(above)
        if doc:
            docs[node.target.id] = doc
    return docs
