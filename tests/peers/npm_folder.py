"""What the peers that come from npm share: the folder they are installed in, and a Node.js new enough for them."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent / "npm"
MODULES = FOLDER / "node_modules"
OLDEST = 22


def node() -> str | None:
    """A Node.js of version 22 or newer: the one installed beside the packages, else the machine's own."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    ours = MODULES / f"node-{platform.system().lower()}-{machine}" / "bin" / "node"
    if ours.exists():
        return str(ours)
    theirs = shutil.which("node")
    if theirs is None:
        return None
    said = subprocess.run(
        [theirs, "--version"], capture_output=True, text=True, check=False, timeout=10
    ).stdout
    return theirs if said[1:].split(".")[0].isdigit() and int(said[1:].split(".")[0]) >= OLDEST else None


def missing(*packages: str) -> str | None:
    """Why these packages can't be used here, or None when they can."""
    absent = [name for name in packages if not (MODULES / name / "package.json").exists()]
    if absent:
        return f"not installed in tests/peers/npm: {', '.join(absent)}"
    return None if node() else f"there is no Node.js {OLDEST} or newer"
