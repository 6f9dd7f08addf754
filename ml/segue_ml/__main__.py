"""Command line: `python -m segue_ml benchmark --train train.txt --test test.txt [--tune]`."""

from __future__ import annotations

import argparse
import sys

from . import benchmark
from .errors import SegueError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="segue_ml", description="Segue's recommender.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    benchmark.add_arguments(
        commands.add_parser("benchmark", help="Recall@20 and NDCG@20 on adjacency lists", allow_abbrev=False)
    )
    options = parser.parse_args(arguments)
    try:
        benchmark.run(options)
    except SegueError as error:
        print(f"segue_ml: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
