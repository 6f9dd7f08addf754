"""Lets the tests import the additions, which run under MiniStack's launcher, as the package `additions`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "laptop" / "account"))
