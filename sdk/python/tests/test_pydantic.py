"""Configs that are pydantic models. Started by tests/tests/python_conformance.rs, with a Python that has pydantic."""

import unittest

from convert_sdk import ConfigError, Postprocessor
from convert_sdk._config import keys, read
from convert_sdk._schema import of
from convert_sdk.testing import results
from pydantic import BaseModel, ConfigDict, Field, field_validator


class Box(BaseModel):
    width: int


class Model(BaseModel):
    """Points on a grid."""

    points: int = Field(description="How many.", ge=1)
    boxes: list[Box] = []

    @field_validator("points")
    @classmethod
    def even(cls, points: int) -> int:
        if points % 2:
            raise ValueError("give an even number")
        return points


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    points: int = 2


class Checked(Postprocessor):
    Config = Model

    def setup(self) -> None:
        raise ConfigError("points are too few")


class Pydantic(unittest.TestCase):
    def test_what_setup_says_of_a_key_names_its_path(self) -> None:
        (_, built) = results(Checked, {"points": 2})
        self.assertIn("points are too few", str(built.problem))
        self.assertEqual(list(keys(Model, {})), ["points", "boxes"])

    def test_the_schema_admits_no_key_that_the_model_does_not_have_unless_it_says_so(self) -> None:
        schema = of(Model)
        self.assertEqual((schema["required"], schema["additionalProperties"], schema["description"]), (["points"], False, "Points on a grid."))
        self.assertFalse(schema["$defs"]["Box"]["additionalProperties"])
        points = schema["properties"]["points"]
        self.assertEqual((points["type"], points["minimum"], points["description"]), ("integer", 1, "How many."))
        self.assertTrue(of(Open).get("additionalProperties", True))

    def test_what_is_wrong_is_said_with_the_path_of_its_key(self) -> None:
        self.assertEqual(read(Model, {"points": 4, "boxes": [{"width": 3}]}), Model(points=4, boxes=[Box(width=3)]))
        for given, said in [
            ({"points": 3}, "`config.points`: Value error, give an even number"),
            ({}, "`config.points`: Field required"),
            ({"points": 2, "boxes": [{"width": "x"}]}, "`config.boxes[0].width`: Input should be a valid integer"),
        ]:
            with self.subTest(said), self.assertRaises(ConfigError) as caught:
                read(Model, given)
            self.assertTrue(str(caught.exception).startswith(said), str(caught.exception))


if __name__ == "__main__":
    unittest.main()
