"""Child processes of jobs: output to a log, in a group of their own, ended with everything that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

#: Seconds between SIGTERM and SIGKILL. AWS gives 120; a laptop's user waits less.
GRACE = 20.0


class JobProcess:
    """One running command. `on_line` gets each line of its output, from a thread."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str], on_line: Callable[[str], None]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._on_line = on_line
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._on_line(line.rstrip("\n"))

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, negative for a signal; None when the time is up."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(timeout=5)
        return code

    def signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def end(self, grace: float = GRACE) -> None:
        """SIGTERM, then SIGKILL, to the whole group."""
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.signal(signal.SIGKILL)
        self.wait(5)


class JobLog:
    """A job's output: a file on this machine, and a stream in the account's CloudWatch Logs."""

    def __init__(self, file: Path, logs, group: str, stream: str) -> None:
        self._file = file.open("a", buffering=1)
        self._logs = logs
        self._group = group
        self._stream = stream
        self._pending: list[dict] = []
        self._lock = threading.Lock()
        self.tail: list[str] = []

    def line(self, text: str) -> None:
        with self._lock:
            self._file.write(f"{text}\n")
            self.tail = [*self.tail[-19:], text]
            self._pending.append({"timestamp": int(time.time() * 1000), "message": text or " "})

    def flush(self) -> None:
        """Sends what has gathered to CloudWatch Logs, at most 1,000 lines a call, as the API takes them."""
        with self._lock:
            pending, self._pending = self._pending, []
        for at in range(0, len(pending), 1000):
            try:
                self._logs.put_log_events(
                    logGroupName=self._group, logStreamName=self._stream, logEvents=pending[at : at + 1000]
                )
            except (BotoCoreError, ClientError):
                return  # the file has every line; a job does not fail over its logs

    def open(self) -> None:
        for call, arguments in (
            (self._logs.create_log_group, {"logGroupName": self._group}),
            (self._logs.create_log_stream, {"logGroupName": self._group, "logStreamName": self._stream}),
        ):
            try:
                call(**arguments)
            except self._logs.exceptions.ResourceAlreadyExistsException:
                pass

    def close(self) -> None:
        self.flush()
        self._file.close()
