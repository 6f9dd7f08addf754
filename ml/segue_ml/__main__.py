"""Command line: `python -m segue_ml benchmark --train train.txt --test test.txt [--tune]`,
`python -m segue_ml cold-start --interactions … --listeners … --artists …`, or
`python -m segue_ml track --output output.tar.gz --tracking-uri file:///…`."""

from __future__ import annotations

import argparse
import sys

from . import benchmark, held_out, track
from .errors import SegueError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="segue_ml", description="Segue's recommender.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module, text in (
        ("benchmark", benchmark, "Recall@20 and NDCG@20 on adjacency lists"),
        ("cold-start", held_out, "listeners and artists of whom only features are known"),
        ("track", track, "record a training with MLflow"),
    ):
        command = commands.add_parser(name, help=text, allow_abbrev=False)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except SegueError as error:
        print(f"segue_ml: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
