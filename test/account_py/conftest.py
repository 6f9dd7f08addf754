"""Lets the tests import the additions, which run under MiniStack's launcher, as the package `additions`."""

import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[2] / "laptop" / "account"))

# As test/seed.cjs: the same cases in each run, unless SEGUE_SEED asks for others.
settings.register_profile("segue", derandomize="SEGUE_SEED" not in os.environ)
settings.load_profile("segue")
