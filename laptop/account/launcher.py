"""Runs MiniStack with Segue's additions: `python launcher.py SETTINGS.json`.

It does what `ministack.app.main` does, apart from the end: MiniStack waits for its worker threads, and its Lambda
processes outlive it. Here they and the jobs are ended first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from additions import install, internals, settings  # noqa: E402


async def serve(port: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    from hypercorn.asyncio import serve as hypercorn
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.2
    config.loglevel = "WARNING"
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await hypercorn(internals.need("ministack.app", "app"), config, shutdown_trigger=ended.wait)


def main(file: Path) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        values = settings.load(file)
        jobs = install(values)
    except internals.MissingInternal as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    logging.getLogger("ministack").info("Segue's additions are installed")
    try:
        asyncio.run(serve(values.port))
    except OSError as error:
        print(f"error: the AWS endpoint cannot listen on port {values.port}: {error}", file=sys.stderr)
        return 1
    finally:
        jobs.end_all()
        internals.need("ministack.core.lambda_runtime", "reset")()
    return 0


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # MiniStack's worker threads never end by themselves
