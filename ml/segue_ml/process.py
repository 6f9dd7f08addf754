"""Scoring as a Processing job: `python -m segue_ml.process FOLDER`.

Reads `FOLDER/input/*.jsonl` with the model in `FOLDER/unpacked`, and writes `FOLDER/scores/<name>.out`, in the same lines as
Batch Transform. Why it failed goes to `/opt/ml/output/message`, which SageMaker shows as the job's exit message:
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import SegueError, one_line
from .export import load
from .lines import LineError
from .runtime import choose_device, say, set_up
from .score import Scorer
from .serve import Setup
from .value import release_tag

#: Lines are scored together up to so many bytes: enough to fill a GPU, little enough for its memory.
BLOCK = 6 << 20


def blocks(file: Path) -> Iterator[tuple[int, bytes]]:
    """A file in whole lines of about BLOCK bytes, each with the number of lines before it."""
    before = 0
    with file.open("rb") as source:
        while lines := source.readlines(BLOCK):
            yield before, b"".join(lines)
            before += len(lines)


def process(folder: Path, setup: Setup) -> int:
    """Scores every file; returns how many lines. A file appears once it is whole. Raises SegueError."""
    device = choose_device(setup.device, gpus_promised=0)
    set_up(device)
    scorer = Scorer(
        load(folder / "unpacked", device), release_tag(setup.release), setup.generated_at, setup.size, device
    )
    files = sorted(path for path in (folder / "input").rglob("*") if path.is_file())
    target = folder / "scores"
    total = 0
    for file in files:
        name = file.relative_to(folder / "input")
        started = time.perf_counter()
        part = folder / "part"
        with part.open("w") as out:
            for before, body in blocks(file):
                try:
                    lines = scorer.lines(body)
                except LineError as error:
                    raise SegueError(f"{name}, after {before} lines: {error}") from None
                out.writelines(f"{line}\n" for line in lines)
                total += len(lines)
        result = target / f"{name}.out"
        result.parent.mkdir(parents=True, exist_ok=True)
        part.replace(result)
        say(f"{name} scored in {time.perf_counter() - started:.2f} s, {device}")
    say(f"{total:,} lines from {len(files)} files")
    return total


def main(arguments: list[str], environment: dict[str, str], message: Path) -> int:
    try:
        if len(arguments) != 1:
            raise SegueError("one argument: the folder that holds input/ and unpacked/")
        process(Path(arguments[0]), Setup.read(environment))
    except Exception as error:  # whatever it is, the job's description is to name it
        text = one_line(error)
        print(f"process: {text}", file=sys.stderr, flush=True)
        if message.parent.is_dir():
            message.write_text(text)
        return 1
    return 0


if __name__ == "__main__":
    output = Path(sys.argv[1]).parent / "output" if len(sys.argv) == 2 else Path("/opt/ml/output")
    sys.exit(main(sys.argv[1:], dict(os.environ), output / "message"))
