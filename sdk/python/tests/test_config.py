"""Configs of dataclasses: what is read, what is refused and where, and the schema that says the same. Started by tests/tests/python_conformance.rs."""

import json
import unittest
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

from convert_sdk import ConfigError
from convert_sdk._config import located, read
from convert_sdk._schema import of


class Mode(Enum):
    FAST = "fast"
    TWO = 2


@dataclass
class Box:
    width: int
    height: int = 3


@dataclass
class Tree:
    name: str
    parts: "list[Tree]" = field(default_factory=list)


@dataclass
class Config:
    points: int
    mode: Mode = Mode.FAST
    level: Literal["low", 3] = "low"
    boxes: list[Box] = field(default_factory=list)
    box: Optional[Box] = None
    file: Path = Path("x")
    size: tuple[int, int] = (3, 4)
    sizes: tuple[float, ...] = ()
    scales: dict[str, float] = field(default_factory=dict)
    either: Union[int, str, None] = None
    whatever: Any = None
    share: Annotated[float, "of the image"] = 0.5
    tree: Optional[Tree] = None

    def __post_init__(self) -> None:
        if self.points < 0:
            raise ValueError(f"points, {self.points} of them, are too few")
        if self.share > 1:
            raise ValueError("more than all of it")


class Reading(unittest.TestCase):
    def test_every_type_is_made(self) -> None:
        given = {
            "points": 3, "mode": 2, "level": 3, "boxes": [{"width": 1}], "box": {"width": 2, "height": 5}, "file": "a/b", "size": [1, 2], "sizes": [1, 2.5],
            "scales": {"a": 1}, "either": "x", "whatever": [1], "share": 1, "tree": {"name": "a", "parts": [{"name": "b"}]},
        }  # fmt: skip
        made = read(Config, given)
        self.assertEqual((made.mode, made.level, made.boxes, made.box), (Mode.TWO, 3, [Box(1)], Box(2, 5)))
        self.assertEqual((made.file, made.size, made.sizes, made.scales, made.either), (Path("a/b"), (1, 2), (1.0, 2.5), {"a": 1.0}, "x"))
        self.assertEqual((type(made.share), made.tree), (float, Tree("a", [Tree("b")])))
        self.assertEqual(read(None, {"a": 1}), {"a": 1})

    def test_what_is_wrong_is_said_with_the_path_of_its_key(self) -> None:
        for given, said in [
            ({}, "`config.points` is missing"),
            ({"points": "many"}, "`config.points` must be of type int, not 'many'"),
            ({"points": True}, "`config.points` must be of type int, not True"),
            ({"points": 1, "nome": 2}, "`config.nome` is no key of it; it has points, mode, "),
            ({"points": 1, "boxes": [{"width": 1}, {"width": "x"}]}, "`config.boxes[1].width` must be of type int, not 'x'"),
            ({"points": 1, "box": {"width": 1, "depth": 1}}, "`config.box.depth` is no key of it; it has width, height"),
            ({"points": 1, "mode": "slow"}, "`config.mode` must be one of 'fast', 2, not 'slow'"),
            ({"points": 1, "level": True}, "`config.level` must be one of 'low', 3, not True"),
            ({"points": 1, "size": [1]}, "`config.size` must have 2 entries, not 1"),
            ({"points": 1, "scales": {"a": "b"}}, "`config.scales.a` must be of type float, not 'b'"),
            ({"points": -2}, "`config.points`, -2 of them, are too few"),
            ({"points": 1, "share": 2}, "`config`: more than all of it"),
        ]:
            with self.subTest(said), self.assertRaises(ConfigError) as caught:
                read(Config, given)
            self.assertTrue(str(caught.exception).startswith(said), str(caught.exception))

    def test_a_message_names_the_key_that_its_first_word_is(self) -> None:
        for message, said in [
            ("points are few", "`config.points` are few"),
            ("`points`: few", "`config.points`: few"),
            ("config.points must be more", "`config.points` must be more"),
            ("`config.points` is fine as it is", "`config.points` is fine as it is"),
            ("cannot read points", "`config`: cannot read points"),
        ]:
            self.assertEqual(located(message, ["points"]), said)


class Schemas(unittest.TestCase):
    def test_the_schema_has_every_type_with_its_default(self) -> None:
        schema = of(Config)
        json.dumps(schema)
        self.assertEqual((schema["required"], schema["additionalProperties"]), (["points"], False))
        keys = schema["properties"]
        self.assertEqual(keys["points"], {"type": "integer"})
        self.assertEqual(keys["mode"], {"enum": ["fast", 2], "default": "fast"})
        self.assertEqual(keys["level"], {"enum": ["low", 3], "default": "low"})
        self.assertEqual(keys["boxes"], {"type": "array", "items": {"$ref": "#/$defs/Box"}, "default": []})
        self.assertEqual(keys["box"], {"anyOf": [{"$ref": "#/$defs/Box"}, {"type": "null"}], "default": None})
        self.assertEqual(keys["file"], {"type": "string", "default": "x"})
        pair = {"type": "array", "prefixItems": [{"type": "integer"}] * 2, "minItems": 2, "maxItems": 2, "default": [3, 4]}
        self.assertEqual(keys["size"], pair)
        self.assertEqual(keys["sizes"], {"type": "array", "items": {"type": "number"}, "default": []})
        self.assertEqual(keys["scales"], {"type": "object", "additionalProperties": {"type": "number"}, "default": {}})
        self.assertEqual(keys["either"], {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}], "default": None})
        self.assertEqual(keys["whatever"], {"default": None})
        self.assertEqual(keys["share"], {"type": "number", "description": "of the image", "default": 0.5})
        self.assertEqual(schema["$defs"]["Box"]["required"], ["width"])
        self.assertEqual(schema["$defs"]["Tree"]["properties"]["parts"]["items"], {"$ref": "#/$defs/Tree"})

    def test_a_class_without_a_source_and_one_without_a_config_have_schemas_too(self) -> None:
        self.assertEqual(of(make_dataclass("Made", [("a", int)]))["properties"], {"a": {"type": "integer"}})
        self.assertEqual(of(None), {"type": "object"})


if __name__ == "__main__":
    unittest.main()
