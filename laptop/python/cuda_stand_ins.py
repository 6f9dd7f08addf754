"""Let the PyTorch wheel that is built for CUDA load on a machine that has neither a GPU nor CUDA's libraries.

Usage: python cuda_stand_ins.py [site-packages]

PyTorch's libraries name CUDA's (gigabytes of them) as load-time dependencies, but call them only to use a GPU. For each
one that is missing this writes a library of a few kilobytes beside them: it has the functions that PyTorch imports, and
each of these answers "no CUDA-capable device is detected". So `torch.cuda.is_available()` is false and everything on the
CPU works as in a CPU build. Prints one line for each library that it wrote.
"""

from __future__ import annotations

import ctypes
import re
import sys
import sysconfig
from pathlib import Path

from elf import Library, read_library, write_library

NO_DEVICE = 100  # cudaErrorNoDevice, CUDA_ERROR_NO_DEVICE: PyTorch takes it for "zero devices", without a warning
WORDS = "no GPU: this library stands in for one of CUDA's"
CUDA = re.compile(r"lib(cu|nccl|nv)")
RETURNS_WORDS = re.compile(r"(Error|Status)(String|Name)$|^ncclGetLastError$|_get_error_string$", re.IGNORECASE)


def loaded_with(torch: Path) -> dict[str, Library]:
    """The libraries of the wheel that `import torch` loads, by file name; those that only CUDA code opens are not
    among them."""
    found: dict[str, Library] = {}
    waiting = [*torch.glob("_C.*.so"), torch / "lib" / "libtorch_global_deps.so"]
    while waiting:
        path = waiting.pop()
        if path.name in found or not path.exists():
            continue
        found[path.name] = read_library(path)
        waiting += [torch / "lib" / name for name in found[path.name].needed]
    return found


def is_missing(name: str) -> bool:
    """Whether the loader knows no library of this name."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return True
    return False


def stand_ins(libraries: dict[str, Library], missing: set[str]) -> dict[str, bytes]:
    """The contents of a stand-in for each library in `missing`, by name, with all that `libraries` import from it.

    Most imports name their library in their version. Those without a version are given to the missing library whose
    name they start with (`ncclSend` to `libnccl.so.2`)."""
    own = set().union(*(library.defined for library in libraries.values()))
    stems = {name: name.removeprefix("lib").split(".so")[0].removesuffix("_host").lower() for name in missing}
    symbols: dict[str, dict[str, str | None]] = {name: {} for name in missing}
    versions: dict[str, dict[str, None]] = {name: {} for name in missing}
    for library in libraries.values():
        for file in missing & library.versions.keys():
            versions[file] |= dict.fromkeys(library.versions[file])
        for wanted in library.wanted:
            file = wanted.file
            if file is None and wanted.name not in own:
                fitting = [name for name, stem in stems.items() if wanted.name.lower().startswith(stem)]
                file = max(fitting, key=lambda name: len(stems[name]), default=None)
            if file in missing:
                symbols[file][wanted.name] = wanted.version
    machine = next(iter(libraries.values())).machine
    return {
        name: write_library(
            soname=name,
            symbols=symbols[name],
            versions=list(versions[name]),
            machine=machine,
            number=NO_DEVICE,
            words=WORDS,
            returning_words=frozenset(symbol for symbol in symbols[name] if RETURNS_WORDS.search(symbol)),
        )
        for name in sorted(missing)
    }


def main(arguments: list[str]) -> int:
    packages = Path(arguments[0] if arguments else sysconfig.get_path("platlib"))
    torch = packages / "torch"
    for path in (torch / "lib").glob("lib*.so.*"):  # those of an earlier run
        if path.stat().st_size < 2**16 and WORDS.encode() in path.read_bytes():
            path.unlink()
    libraries = loaded_with(torch)
    if not libraries:
        print(f"{packages}: holds no PyTorch wheel for Linux; install torch there first", file=sys.stderr)
        return 1
    needed = {name for library in libraries.values() for name in library.needed} - libraries.keys()
    missing = {name for name in needed if CUDA.match(name) and is_missing(name)}
    for name, content in stand_ins(libraries, missing).items():
        (torch / "lib" / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
