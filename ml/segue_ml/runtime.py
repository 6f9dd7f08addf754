"""The process around the computation: device, threads, allocator, clock and peak memory."""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from .errors import SegueError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def at_least(least: float, kind: Callable[[str], float]) -> Callable[[str], float]:
    """What an argument's text stands for, which is a number from `least` on."""

    def number(text: str) -> float:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
        return value

    number.__name__ = kind.__name__  # argparse names it where the text is no number
    return number


def file_to_write(text: str) -> Path:
    """An argument's path, told before hours of work rather than after them where its folder is not there."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent} to write {path.name} into")
    return path


def keep_freed_memory() -> None:
    """Lets glibc reuse large freed blocks instead of returning them to the kernel: page faults took almost half of a
    sweep. Does nothing with another C library."""
    try:
        libc = ctypes.CDLL(None)
        # glibc refuses an mmap threshold above 32 MiB, hence the size of the blocks in ials.py.
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)
    except (OSError, AttributeError):
        pass


def choose_device(name: str, gpus_promised: int | None = None) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises SegueError when a GPU was asked for, by name or by the
    instance type (`SM_NUM_GPUS`), and PyTorch sees none: a silent CPU run on a GPU's bill helps nobody."""
    promised = int(os.environ.get("SM_NUM_GPUS") or 0) if gpus_promised is None else gpus_promised
    available = torch.cuda.is_available()
    if name == "cpu":
        return torch.device("cpu")
    if name not in ("auto", "cuda"):
        raise SegueError(f"device: {name!r} is not one of auto, cpu, cuda")
    if available:
        return torch.device("cuda")
    if name == "cuda" or promised > 0:
        raise SegueError(
            f"device: a GPU was asked for but PyTorch {torch.__version__} sees none; "
            "use the image's GPU variant, or --device cpu"
        )
    return torch.device("cpu")


def set_up(device: torch.device, threads: int = 0, seed: int = 0) -> None:
    """Threads (0 keeps PyTorch's choice), allocator, and the same result for the same seed."""
    keep_freed_memory()
    if threads > 0:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False


class Clock:
    """Seconds by phase, printed as each phase ends."""

    def __init__(self, quiet: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self._quiet = quiet

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        took = time.perf_counter() - start
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)
        if not self._quiet:
            say(f"{name}: {took:.1f} s")


def say(text: str) -> None:
    """One line of progress, at once."""
    print(text, flush=True)


_BEGAN = time.monotonic()


def working(text: str) -> None:
    """What takes a while now, on stderr with the seconds since the process began."""
    print(f"{time.monotonic() - _BEGAN:7.1f} s  {text}", file=sys.stderr, flush=True)


def rows_that_fit() -> int:
    """Interactions that a training holds in two fifths of this machine's memory, at 200 bytes each at the most."""
    return int(0.4 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 200)


class Budget:
    """Seconds for a search, from now on; `missing` names what was left out for want of them."""

    def __init__(self, seconds: float = float("inf")) -> None:
        self._began, self.seconds = time.perf_counter(), seconds
        self.missing: list[str] = []

    @property
    def end(self) -> float:
        return self._began + self.seconds

    def over(self, share: float, what: str, more: float = 0.0) -> bool:
        """Whether this share of the seconds is over, or would be after some `more`: then `what` is missing."""
        over = time.perf_counter() + more >= self._began + share * self.seconds
        if over and what not in self.missing:
            self.missing.append(what)
        return over


class Ticker:
    """Lines of progress, one in two seconds at most: short work says nothing."""

    def __init__(self, tell: Callable[[str], None] = say) -> None:
        self._last, self._tell = time.monotonic(), tell

    def __call__(self, text: str) -> None:
        if time.monotonic() - self._last >= 2:
            self._last = time.monotonic()
            self._tell(text)


def _host_peak() -> int:
    """Bytes. Linux counts in a process's `ru_maxrss` what it was before it became this program, so that a large parent
    hides what a child has taken; `VmHWM` of proc(5) begins with the program."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_memory() -> dict[str, float]:
    """Peak resident memory of this process, and of its GPU, in MiB."""
    peak = {"host": round(_host_peak() / (1 << 20), 1)}
    if torch.cuda.is_available():
        peak["gpu"] = round(torch.cuda.max_memory_allocated() / (1 << 20), 1)
    return peak
