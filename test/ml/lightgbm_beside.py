"""LightGBM, which nothing but a training with a second stage needs: installed beside the laptop's environment at the first
time, from the file that such a job installs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from conftest import ML, ROOT

LOCK = ML / "ranker" / "requirements.txt"


def installed() -> Path:
    """The folder with it. NumPy is the environment's, in the version that the file names."""
    folder = ROOT / ".segue" / f"ranker-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        uv = str(Path(sys.executable).with_name("uv"))
        wanted = [line for line in LOCK.read_text().splitlines() if not line.startswith("numpy")]
        install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(part)]
        subprocess.run([*install, *wanted], check=True, timeout=240)
        part.rename(folder)
    return folder
