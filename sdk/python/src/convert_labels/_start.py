"""The commands `convert` and `convert-labels`: the process becomes the executable in this package, but for `ray`. Imports nothing that takes time."""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def environment() -> dict[str, str]:
    """What the executable needs to find libtorch: nothing where the torch package lies beside this one, as its run path says."""
    variables = dict(os.environ)
    if os.path.isdir(os.path.join(_HERE, "..", "torch", "lib")):
        return variables
    from importlib.util import find_spec

    torch = find_spec("torch")
    if torch is not None and torch.origin is not None:
        folders = [variables.get("LD_LIBRARY_PATH", ""), os.path.join(os.path.dirname(torch.origin), "lib")]
        variables["LD_LIBRARY_PATH"] = ":".join(folder for folder in folders if folder)
    return variables


def main() -> None:
    """Starts the executable with this process's arguments; does not return. The command `ray` is Python's."""
    if sys.argv[1:2] == ["ray"]:
        from convert_labels._cluster.command import main as ray

        sys.exit(ray(sys.argv[2:]))
    program = os.path.join(_HERE, "convert")
    try:
        # With the name that was typed: it stands in help and messages.
        os.execve(program, sys.argv, environment())
    except OSError as error:
        sys.exit(f"error: cannot start {program}: {error.strerror}; install the wheel that `make wheel` builds")
