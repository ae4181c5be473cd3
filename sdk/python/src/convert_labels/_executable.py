"""Where the executable and the recipes of this package lie."""

import os
import shutil
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def executable() -> Path:
    """The executable: `CONVERT_EXECUTABLE`, else the one in this package.

    Raises:
        FileNotFoundError: neither is there.
    """
    named = os.environ.get("CONVERT_EXECUTABLE")
    file = Path(named) if named else _HERE / "convert"
    if not file.is_file():
        what = f"CONVERT_EXECUTABLE is {file}, which is no file" if named else "this installation of convert_labels has no executable"
        raise FileNotFoundError(f"{what}: install the wheel that `make wheel` builds, or set CONVERT_EXECUTABLE to a `convert`")
    return file


def copy_recipes(folder: str | os.PathLike[str] = "recipes") -> Path:
    """Copies the recipes that come with this package into a folder that does not exist yet. Returns the folder.

    Raises:
        FileExistsError: something lies in its place.
        FileNotFoundError: this installation has no recipes.
    """
    source = _HERE / "recipes"
    if not source.is_dir():
        raise FileNotFoundError("this installation of convert_labels has no recipes: install the wheel that `make wheel` builds")
    target = Path(folder)
    if target.exists():
        raise FileExistsError(f"{target} exists already: name another folder")
    shutil.copytree(source, target)
    return target
