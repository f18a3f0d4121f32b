"""The Python environments of the peers: one per requirements file, made when missing and renewed when it changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

BENCHMARKS: Final = Path(__file__).parent.parent
OUTPUT: Final = BENCHMARKS.parent / ".bench"


def python_of(requirements: str | None) -> Path:
    """Give the interpreter that a contender runs by, and make its environment if need be.

    None means the environment of this process, which has this project and aiohttp.

    Raises:
        subprocess.CalledProcessError: the environment cannot be made; pip has said why.

    """
    if requirements is None:
        return Path(sys.executable)
    source = BENCHMARKS / requirements
    environment = OUTPUT / "environments" / source.stem
    python = environment / "bin" / "python"
    installed = environment / "installed.txt"
    wanted = f"# Python {sys.version}\n{source.read_text()}"
    if installed.exists() and installed.read_text() == wanted:
        return python
    print(f"making the environment of {requirements}", file=sys.stderr)
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", source], check=True)
    installed.write_text(wanted)
    return python
