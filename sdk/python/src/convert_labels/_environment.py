"""Where the executable lies, and what it needs of the environment. Imports nothing that takes time."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))
"""The folder of this package, in which the executable lies."""


def environment() -> dict[str, str]:
    """What the executable needs to find libtorch: nothing where the torch package lies beside this one, as its run path says."""
    variables = dict(os.environ)
    if os.path.isdir(os.path.join(HERE, "..", "torch", "lib")):
        return variables
    from importlib.util import find_spec

    torch = find_spec("torch")
    if torch is not None and torch.origin is not None:
        folders = [variables.get("LD_LIBRARY_PATH", ""), os.path.join(os.path.dirname(torch.origin), "lib")]
        variables["LD_LIBRARY_PATH"] = ":".join(folder for folder in folders if folder)
    return variables
