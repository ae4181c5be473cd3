"""`python -m convert_labels recipes [DIR]` copies the bundled recipes; `python -m convert_labels ray …` is `convert-labels ray …`."""

import sys

from convert_labels._executable import copy_recipes

USAGE = """usage: python -m convert_labels recipes [DIR]    copies the recipes into DIR (recipes)
       python -m convert_labels ray …            runs a recipe on many machines (docs/cluster.md)"""


def main() -> None:
    """Two commands, so far."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["ray"]:
        from convert_labels._cluster.command import main as ray

        sys.exit(ray(arguments[1:]))
    if not arguments or arguments[0] != "recipes" or len(arguments) > 2:
        sys.exit(USAGE)
    try:
        folder = copy_recipes(*arguments[1:])
    except OSError as error:
        sys.exit(f"error: {error}")
    print(f"{folder}: next, convert-labels --recipe {folder / 'demo.yaml'}")


main()
