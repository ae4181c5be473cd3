"""A plugin's config: from JSON to the class that its author wrote."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any


class ConfigError(ValueError):
    """A config that makes no sense; the recipe is refused with this message."""


def read(kind: Any, given: dict[str, Any]) -> Any:
    """The config that a plugin is built with: `given` itself, or an object of the dataclass or pydantic model `kind`."""
    if kind is None:
        return given
    if hasattr(kind, "model_validate"):
        try:
            return kind.model_validate(given)
        except ValueError as error:
            raise ConfigError(_of_pydantic(error)) from error
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, given, "")
    raise TypeError(f"Config is {kind!r}: it must be a dataclass or a pydantic model")


def _of_pydantic(error: ValueError) -> str:
    problems = error.errors() if hasattr(error, "errors") else []
    lines = [f"config.{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems]
    return "; ".join(lines) or str(error)


def _dataclass(kind: Any, given: Any, at: str) -> Any:
    if not isinstance(given, dict):
        raise ConfigError(f"config{at} must be a mapping, not {given!r}")
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in given:
        if key not in fields:
            raise ConfigError(f"config{at} has no key `{key}`; it has {', '.join(fields) or 'none'}")
    types = typing.get_type_hints(kind)
    values = {}
    for name, field in fields.items():
        if name in given:
            values[name] = _value(types[name], given[name], f"{at}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"config{at}.{name} is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"config{at}: {error}") from error


def _value(kind: Any, given: Any, at: str) -> Any:
    """A value of a simple type, checked; of any other type as it is."""
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, given, at)
    if kind is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if kind in (int, float, str, bool):
        if isinstance(given, kind) and not (kind is int and isinstance(given, bool)):
            return given
        raise ConfigError(f"config{at} must be of type {kind.__name__}, not {given!r}")
    return given
