"""A plugin's config: from JSON to the class that its author wrote."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
import typing
from pathlib import Path
from typing import Any


class ConfigError(ValueError):
    """A config that makes no sense; the recipe is refused with this message. If its first word is a key of the config, the message is shown at that key's line."""


def read(kind: Any, given: dict[str, Any]) -> Any:
    """The config that a plugin is built with: `given` itself, or an object of the dataclass or pydantic model `kind`. Messages name keys by their path from the recipe's `config`."""
    if kind is None:
        return given
    if hasattr(kind, "model_validate"):
        try:
            return kind.model_validate(given)
        except ValueError as error:
            raise ConfigError(_of_pydantic(error)) from error
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, given, "config")
    raise TypeError(f"Config is {kind!r}: it must be a dataclass or a pydantic model")


def keys(kind: Any, given: dict[str, Any]) -> typing.Iterable[str]:
    """The keys that a `Config` has; of none those that are given."""
    if hasattr(kind, "model_fields"):
        fields: dict[str, Any] = kind.model_fields
        return fields
    return given if kind is None else [field.name for field in dataclasses.fields(kind)]


def located(message: str, keys: typing.Iterable[str], at: str = "config") -> str:
    """A message with its first word, if that is one of the keys, as that key's path in backticks; else behind the path of the whole. The host looks for such a path."""
    if message.startswith(f"`{at}"):
        return message
    first, _, rest = message.partition(" ")
    word = first.rstrip(":,")
    if word.strip("`").removeprefix(f"{at}.") in keys:
        return f"`{at}.{word.strip('`').removeprefix(f'{at}.')}`{first[len(word) :]} {rest}".rstrip()
    return f"`{at}`: {message}"


def _of_pydantic(error: ValueError) -> str:
    problems = error.errors() if hasattr(error, "errors") else []
    lines = [f"`{_path(problem['loc'])}`: {problem['msg']}" for problem in problems]
    return "; ".join(lines) or f"`config`: {error}"


def _path(parts: typing.Iterable[str | int]) -> str:
    return "config" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def _dataclass(kind: Any, given: Any, at: str) -> Any:
    if not isinstance(given, dict):
        raise ConfigError(f"`{at}` must be a mapping, not {given!r}")
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in given:
        if key not in fields:
            raise ConfigError(f"`{at}.{key}` is no key of it; it has {', '.join(fields) or 'none'}")
    hints = typing.get_type_hints(kind)
    values = {}
    for name, field in fields.items():
        if name in given:
            values[name] = _value(hints[name], given[name], f"{at}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"`{at}.{name}` is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(located(str(error), fields, at)) from error


def _value(kind: Any, given: Any, at: str) -> Any:
    """A value of one of the types that a schema is made of (`_schema`), checked; of any other type as it is."""
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, given, at)
    if kind is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if kind in (int, float, str, bool, type(None)):
        if isinstance(given, kind) and not (kind is int and isinstance(given, bool)):
            return given
        raise ConfigError(f"`{at}` must be of type {kind.__name__}, not {given!r}")
    if kind is Path:
        return Path(_value(str, given, at))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _one_of({member.value: member for member in kind}, given, at)
    return _of_several(typing.get_origin(kind), typing.get_args(kind), given, at)


def _of_several(origin: Any, parts: tuple[Any, ...], given: Any, at: str) -> Any:
    if origin is typing.Annotated:
        return _value(parts[0], given, at)
    if origin is typing.Literal:
        return _one_of({part: part for part in parts}, given, at)
    if origin in (typing.Union, types.UnionType):
        return _any_of(parts, given, at)
    if origin in (list, tuple, set, frozenset, collections.abc.Sequence):
        return _items(origin, parts, given, at)
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(given, dict):
            raise ConfigError(f"`{at}` must be a mapping, not {given!r}")
        return {key: _value(parts[1], value, f"{at}.{key}") for key, value in given.items()}
    return given


def _one_of(known: dict[Any, Any], given: Any, at: str) -> Any:
    for value, meaning in known.items():
        if type(value) is type(given) and value == given:
            return meaning
    raise ConfigError(f"`{at}` must be one of {', '.join(map(repr, known))}, not {given!r}")


def _any_of(kinds: tuple[Any, ...], given: Any, at: str) -> Any:
    # An integer is a number too: the type that it is comes first.
    exact = [kind for kind in kinds if kind is type(given)]
    problems = []
    for kind in [*exact, *kinds]:
        try:
            return _value(kind, given, at)
        except ConfigError as error:
            problems.append(error)
    raise next(error for error, kind in zip(problems, kinds) if kind is not type(None))


def _items(origin: Any, parts: tuple[Any, ...], given: Any, at: str) -> Any:
    if not isinstance(given, list):
        raise ConfigError(f"`{at}` must be a list, not {given!r}")
    fixed = origin is tuple and parts and parts[-1] is not Ellipsis
    if fixed and len(given) != len(parts):
        raise ConfigError(f"`{at}` must have {len(parts)} entries, not {len(given)}")
    kinds = parts if fixed else parts[:1] * len(given)
    values = [_value(kind, value, f"{at}[{number}]") for number, (kind, value) in enumerate(zip(kinds, given))]
    return values if origin in (list, collections.abc.Sequence) else origin(values)
