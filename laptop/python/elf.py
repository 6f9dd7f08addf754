"""Read what a 64-bit ELF shared library asks for, and write a minimal one that answers it.

Layouts follow the System V ABI, chapters 4 and 5 (https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html), and
symbol versions the Linux Standard Base, "Symbol Versioning".
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MACHINES = {"x86_64": 62, "aarch64": 183}
PAGE = 0x10000  # the largest page of both machines

DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_SONAME = 1, 4, 5, 6, 10, 11, 14
DT_VERSYM, DT_VERDEF, DT_VERDEFNUM = 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD
SHT_DYNAMIC, SHT_DYNSYM, SHT_VERNEED, SHT_VERSYM = 6, 11, 0x6FFFFFFE, 0x6FFFFFFF
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551


@dataclass(frozen=True)
class Wanted:
    """A symbol that a library imports: from which file and in which version, where the library says so."""

    name: str
    file: str | None
    version: str | None


@dataclass(frozen=True)
class Library:
    """What a shared library loads (`needed`), exports (`defined`), must import (`wanted`, weak imports left out), and
    which versions of which files it insists on (`versions`: file to version names)."""

    machine: str
    needed: list[str]
    defined: set[str]
    wanted: list[Wanted]
    versions: dict[str, list[str]]


def read_library(path: Path) -> Library:
    """Read a library's dynamic section and symbol table. Raises ValueError for what is not a 64-bit little-endian ELF
    file of a known machine."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path}: not a 64-bit little-endian ELF file")
        code = struct.unpack_from("<H", data, 18)[0]
        machine = next((name for name, number in MACHINES.items() if number == code), None)
        if machine is None:
            raise ValueError(f"{path}: machine {code} is neither x86_64 nor aarch64")
        offset, size, count = struct.unpack_from("<Q10xHH", data, 40)
        # type, offset, size, index of the string table
        sections = [struct.unpack_from("<4xI16xQQI", data, offset + i * size) for i in range(count)]
        by_type = {section[0]: section for section in sections}

        def body(kind: int) -> bytes:
            _, start, length, _ = by_type.get(kind, (0, 0, 0, 0))
            return data[start : start + length]

        strings_section = sections[by_type[SHT_DYNSYM][3]]
        strings = data[strings_section[1] : strings_section[1] + strings_section[2]]

        def text(at: int) -> str:
            return strings[at : strings.index(b"\0", at)].decode()

        needed = [text(value) for tag, value in struct.iter_unpack("<qQ", body(SHT_DYNAMIC)) if tag == DT_NEEDED]
        by_index, versions = {}, {}
        for file, version, index in _needed_versions(body(SHT_VERNEED), text):
            by_index[index] = (file, version)
            versions.setdefault(file, []).append(version)
        indices = [index for (index,) in struct.iter_unpack("<H", body(SHT_VERSYM))]
        defined: set[str] = set()
        wanted: list[Wanted] = []
        for number, (name, info, section) in enumerate(struct.iter_unpack("<IBxH16x", body(SHT_DYNSYM))):
            binding = info >> 4
            if section != 0:
                defined.add(text(name))
            elif name and binding == 1:
                file, version = by_index.get(indices[number] & 0x7FFF if indices else 0, (None, None))
                wanted.append(Wanted(text(name), file, version))
    return Library(machine, needed, defined, wanted, versions)


def _needed_versions(section: bytes, text) -> Iterator[tuple[str, str, int]]:
    at = 0
    while section:
        _, count, file, first, step = struct.unpack_from("<HHIII", section, at)
        entry = at + first
        for _ in range(count):
            _, _, index, name, further = struct.unpack_from("<IHHII", section, entry)
            yield text(file), text(name), index
            entry += further
        if step == 0:
            return
        at += step


def stub_code(machine: str, number: int, words: bytes) -> tuple[bytes, int]:
    """Machine code of two functions that take anything: the first, at 0, returns `number` (below 65,536); the second,
    at the offset that is returned too, returns the address of the string `words`."""
    if machine == "x86_64":
        returns_number = b"\xb8" + struct.pack("<I", number) + b"\xc3"  # mov eax, number; ret
        returns_words = b"\x48\x8d\x05" + struct.pack("<i", 1) + b"\xc3"  # lea rax, [rip + 1]; ret
    else:
        ret = struct.pack("<I", 0xD65F03C0)
        returns_number = struct.pack("<I", 0x52800000 | number << 5) + ret  # mov w0, number; ret
        returns_words = struct.pack("<I", 0x10000000 | 2 << 5) + ret  # adr x0, +8; ret
    return returns_number + returns_words + words + b"\0", len(returns_number)


def write_library(
    soname: str,
    symbols: dict[str, str | None],
    versions: list[str],
    machine: str,
    number: int,
    words: str = "",
    returning_words: frozenset[str] = frozenset(),
) -> bytes:
    """A shared library named `soname` that exports the functions `symbols` (name to version, None for none) and
    declares `versions`. Each function returns `number`, those in `returning_words` a pointer to `words`."""
    strings = bytearray(b"\0")

    def string(value: str) -> int:
        strings.extend(value.encode() + b"\0")
        return len(strings) - len(value.encode()) - 1

    soname_at = string(soname)
    all_versions = list(dict.fromkeys([*versions, *(version for version in symbols.values() if version)]))
    definitions = bytearray()
    named = [(1, 1, soname_at, soname)]  # the base definition: flag, index, name
    named += [(0, place + 2, string(version), version) for place, version in enumerate(all_versions)]
    for place, (flag, index, at, name) in enumerate(named):
        step = 28 if place + 1 < len(named) else 0
        definitions += struct.pack("<HHHHIII", 1, flag, index, 1, _hash(name), 20, step) + struct.pack("<II", at, 0)

    code, words_at = stub_code(machine, number, words.encode())
    entries = [(string(name), words_at if name in returning_words else 0) for name in symbols]
    version_indices = [0, *(all_versions.index(version) + 2 if version else 1 for version in symbols.values())]

    parts: dict[str, bytes] = {
        "headers": bytes(64 + 4 * 56),
        "hash": _hash_table(list(symbols)),
        "symbols": bytes(24 * (len(symbols) + 1)),
        "versions": struct.pack(f"<{len(version_indices)}H", *version_indices),
        "definitions": bytes(definitions),
        "strings": bytes(strings),
        "code": code,
    }
    at: dict[str, int] = {}
    end = 0
    for name, content in parts.items():
        at[name] = end = (end + 15) & ~15
        end += len(content)
    # The loader writes into the dynamic section, so it lies in a segment of its own.
    dynamic_offset = (end + 15) & ~15
    dynamic_address = dynamic_offset + PAGE
    tags = [
        (DT_SONAME, soname_at),
        (DT_HASH, at["hash"]),
        (DT_STRTAB, at["strings"]),
        (DT_SYMTAB, at["symbols"]),
        (DT_STRSZ, len(strings)),
        (DT_SYMENT, 24),
        (DT_VERSYM, at["versions"]),
        (DT_VERDEF, at["definitions"]),
        (DT_VERDEFNUM, len(named)),
        (0, 0),
    ]
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in tags)
    # Global functions (0x12) in "section 1": any number but 0, which would mean "not defined here".
    table = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0) + b"".join(
        struct.pack("<IBBHQQ", name, 0x12, 0, 1, at["code"] + entry, 0) for name, entry in entries
    )
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0
    )
    segments = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, length, length, align)
        for kind, flags, offset, address, length, align in [
            (PT_LOAD, 5, 0, 0, end, PAGE),
            (PT_LOAD, 6, dynamic_offset, dynamic_address, len(dynamic), PAGE),
            (PT_DYNAMIC, 6, dynamic_offset, dynamic_address, len(dynamic), 8),
            (PT_GNU_STACK, 6, 0, 0, 0, 16),  # without it the loader would want an executable stack
        ]
    )
    parts |= {"headers": header + segments, "symbols": table}
    image = bytearray(dynamic_offset)
    for name, content in parts.items():
        image[at[name] : at[name] + len(content)] = content
    return bytes(image) + dynamic


def _hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def _hash_table(names: list[str]) -> bytes:
    buckets, chain = [0] * max(1, len(names)), [0] * (len(names) + 1)
    for number, name in enumerate(names, start=1):
        bucket = _hash(name) % len(buckets)
        chain[number], buckets[bucket] = buckets[bucket], number
    return struct.pack(f"<{2 + len(buckets) + len(chain)}I", len(buckets), len(chain), *buckets, *chain)
