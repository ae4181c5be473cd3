"""What makes the wheel more than Python: the version of the workspace, the tree that scripts/stage.sh made, and the tag of its glibc.

`make wheel` sets CONVERT_STAGE (the tree) and CONVERT_GLIBC (such as 2.35). Without them the wheel is the Python code alone: it then drives the
executable that CONVERT_EXECUTABLE names.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

TORCH = "2.11"


class Version(MetadataHookInterface):
    """The version in the workspace's Cargo.toml, and the libtorch it is built against."""

    def update(self, metadata: dict[str, Any]) -> None:
        manifest = (Path(self.root) / "../../Cargo.toml").read_text()
        found = re.search(r'^\[workspace\.package\]\nversion = "([^"]+)"', manifest, re.MULTILINE)
        if found is None:
            raise ValueError("Cargo.toml has no version under [workspace.package]")
        metadata["version"] = f"{found[1]}+torch{TORCH}"


class Tree(BuildHookInterface[Any]):
    """The executable, its plugins and their libraries inside the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        stage = os.environ.get("CONVERT_STAGE")
        if stage is None:
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{os.environ['CONVERT_GLIBC'].replace('.', '_')}_x86_64"
        build_data["force_include"][stage] = "convert_labels"
