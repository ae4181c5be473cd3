"""The commands `convert` and `convert-labels`: the process becomes the executable in this package, but for `ray`. Imports nothing that takes time."""

import os
import sys

from convert_labels._environment import HERE, environment


def main() -> None:
    """Starts the executable with this process's arguments; does not return. The command `ray` is Python's."""
    if sys.argv[1:2] == ["ray"]:
        from convert_labels._cluster.command import main as ray

        sys.exit(ray(sys.argv[2:]))
    program = os.path.join(HERE, "convert")
    try:
        # With the name that was typed: it stands in help and messages.
        os.execve(program, sys.argv, environment())
    except OSError as error:
        sys.exit(f"error: cannot start {program}: {error.strerror}; install the wheel that `make wheel` builds")
