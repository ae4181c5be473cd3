"""Drives `convert` from Python and reads what it writes.

The interface is files: `run` starts the executable, `Run` knows what lies in its work directory, `read_labels` and `MultiLabelDataset` read label files,
whoever started the run. See docs/python.md.
"""

# Type checkers take a variable of this name for true. Importing `typing` for it would cost each start of the command more than the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from convert_labels._dataset import MultiLabelDataset as MultiLabelDataset
    from convert_labels._executable import copy_recipes as copy_recipes
    from convert_labels._executable import executable as executable
    from convert_labels._labels import decode_mask as decode_mask
    from convert_labels._labels import read_labels as read_labels
    from convert_labels._labels import read_regions as read_regions
    from convert_labels._run import ConvertError as ConvertError
    from convert_labels._run import Progress as Progress
    from convert_labels._run import Run as Run
    from convert_labels._run import Statistics as Statistics
    from convert_labels._run import run as run

__all__ = [
    "ConvertError",
    "MultiLabelDataset",
    "Progress",
    "Run",
    "Statistics",
    "copy_recipes",
    "decode_mask",
    "executable",
    "read_labels",
    "read_regions",
    "run",
]

_MODULES = {
    "ConvertError": "_run",
    "MultiLabelDataset": "_dataset",
    "Progress": "_run",
    "Run": "_run",
    "Statistics": "_run",
    "copy_recipes": "_executable",
    "decode_mask": "_labels",
    "executable": "_executable",
    "read_labels": "_labels",
    "read_regions": "_labels",
    "run": "_run",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
