"""Judges recipes.json, a list of recipes, by schema.json; prints a list for each: the places that are wrong, with what is wrong."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

schema = json.loads(Path("schema.json").read_text())
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
judged = []
for recipe in json.loads(Path("recipes.json").read_text()):
    judged.append(["".join(f"/{part}" for part in error.absolute_path) + f": {error.message}" for error in validator.iter_errors(recipe)])
print(json.dumps(judged))
