"""The life of a job: states as AWS names them, a thread that does the work, and a way to stop it."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

from .errors import JobFailure
from .processes import JobLog, JobProcess

#: FailureReason holds at most this many characters.
REASON_LIMIT = 1024


class Stopped(Exception):
    """The job was stopped, by StopTrainingJob or by its time limit; the argument is the secondary status."""


class Job:
    """One job. `description` is what Describe… answers, without the status; read it through `describe`."""

    def __init__(self, kind: str, name: str, description: dict, log_opener: Callable[[], JobLog] | None = None) -> None:
        self.kind = kind
        self.name = name
        self.instances = 0
        self.uses: tuple[str, str] = ("", "")
        self.finished = threading.Event()
        self.processes: list[JobProcess] = []
        self.log: JobLog | None = None
        self._description = description
        self._log_opener = log_opener
        self._lock = threading.Lock()
        self._stop: str | None = None
        self._deadline = float("inf")
        self._status = "InProgress"
        self._description["CreationTime"] = self._description["LastModifiedTime"] = time.time()

    @property
    def status(self) -> str:
        return self._status

    @property
    def running(self) -> bool:
        return not self.finished.is_set()

    def describe(self) -> dict:
        with self._lock:
            return {**self._description, f"{self.kind}JobStatus": self._status}

    def update(self, **values: object) -> None:
        with self._lock:
            self._description.update(values, LastModifiedTime=time.time())

    def begin(self, work: Callable[[Job], None], after: Callable[[Job, str, str], None]) -> None:
        """Runs `work` in a thread. Whatever happens, `after(job, status, secondary status)` follows and the job ends."""
        threading.Thread(target=self._run, args=(work, after), daemon=True, name=f"job-{self.name}").start()

    def _run(self, work: Callable[[Job], None], after: Callable[[Job, str, str], None]) -> None:
        status, secondary, reason = "Completed", "Completed", None
        try:
            if self._log_opener:
                self.log = self._log_opener()
                self.log.open()
            work(self)
        except Stopped as stopped:
            status, secondary = "Stopped", str(stopped)
        except JobFailure as failure:
            status, secondary, reason = "Failed", "Failed", str(failure)
        except Exception as error:  # the job must end, and say why
            traceback.print_exc()
            status, secondary, reason = "Failed", "Failed", f"InternalServerError: {type(error).__name__}: {error}"
        finally:
            for process in self.processes:
                process.end(grace=2)
        if reason is not None:
            self.update(FailureReason=reason[:REASON_LIMIT])
        after(self, status, secondary)
        if self.log:
            self.log.close()
        self._status = status
        self.finished.set()

    def limit(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def stop(self) -> None:
        """What Stop…Job does: the job ends as Stopped, with what it has written so far."""
        if self.running:
            self._stop = self._stop or "Stopped"
            self._status = "Stopping"

    def abandon(self) -> None:
        """The account ends: no time for anything but ending the processes."""
        self._stop = "Stopped"
        for process in self.processes:
            process.end(grace=1)

    def check(self) -> None:
        """Raises Stopped when the job is to end. Call it between steps and while waiting."""
        if self._stop is None and time.monotonic() > self._deadline:
            self._stop = "MaxRuntimeExceeded"
        if self._stop is not None:
            raise Stopped(self._stop)
