"""`python -m convert_labels recipes [DIR]` copies the bundled recipes."""

import sys

from convert_labels._executable import copy_recipes

USAGE = "usage: python -m convert_labels recipes [DIR]    copies the recipes into DIR (recipes)"


def main() -> None:
    """One command, so far."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] != "recipes" or len(arguments) > 2:
        sys.exit(USAGE)
    try:
        folder = copy_recipes(*arguments[1:])
    except OSError as error:
        sys.exit(f"error: {error}")
    print(f"{folder}: next, convert-labels --recipe {folder / 'demo.yaml'}")


main()
