"""The libraries that stand in for CUDA's, so that PyTorch's CUDA wheel works on a machine without a GPU."""

import ctypes
import platform
import struct
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "laptop" / "python"))

import cuda_stand_ins
from elf import Library, Wanted, read_library, stub_code, write_library

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="ELF libraries load on Linux only")


def contains(library: bytes, symbol: str) -> bool:
    return b"\0" + symbol.encode() + b"\0" in library


@on_linux
def test_a_written_library_loads_answers_and_keeps_its_versions(tmp_path):
    path = tmp_path / "libcudart.so.13"
    symbols = {"cudaGetDeviceCount": "libcudart.so.13", "cudaGetErrorString": "libcudart.so.13", "ncclSend": None}
    path.write_bytes(
        write_library(
            soname=path.name,
            symbols=symbols,
            versions=["libcudart.so.13", "NVSHMEM"],
            machine=platform.machine(),
            number=100,
            words="no GPU",
            returning_words=frozenset({"cudaGetErrorString"}),
        )
    )
    library = ctypes.CDLL(str(path))
    assert library.cudaGetDeviceCount(ctypes.byref(ctypes.c_int())) == 100
    assert library.ncclSend() == 100
    library.cudaGetErrorString.restype = ctypes.c_char_p
    assert library.cudaGetErrorString(100) == b"no GPU"
    assert not hasattr(library, "cudaMalloc")

    versioned = ctypes.CDLL(None).dlvsym
    versioned.restype, versioned.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    assert versioned(library._handle, b"cudaGetDeviceCount", b"libcudart.so.13")
    assert versioned(library._handle, b"cudaGetDeviceCount", b"libcudart.so.12") is None
    assert versioned(library._handle, b"cudaGetDeviceCount", b"NVSHMEM") is None


@on_linux
@pytest.mark.parametrize("count", [0, 1, 3000])
def test_every_symbol_of_a_written_library_is_found(tmp_path, count):
    path = tmp_path / "libnccl.so.2"
    names = [f"nccl{number}" for number in range(count)]
    path.write_bytes(write_library(path.name, dict.fromkeys(names), [], platform.machine(), 7))
    library = ctypes.CDLL(str(path))
    assert [library[name]() for name in names] == [7] * count


def test_machine_code_of_both_machines():
    # mov eax, 100; ret; lea rax, [rip + 1]; ret
    assert stub_code("x86_64", 100, b"no") == (b"\xb8\x64\0\0\0\xc3" b"\x48\x8d\x05\x01\0\0\0\xc3" b"no\0", 6)
    # mov w0, #100; ret; adr x0, .+8; ret
    words = struct.pack("<4I", 0x52800C80, 0xD65F03C0, 0x10000040, 0xD65F03C0)
    assert stub_code("aarch64", 100, b"no") == (words + b"no\0", 8)


@on_linux
def test_a_real_library_is_read():
    [path] = Path(numpy.__file__).parent.glob("_core/_multiarray_umath*.so")
    library = read_library(path)
    assert library.machine == platform.machine()
    assert "libc.so.6" in library.needed
    assert "PyInit__multiarray_umath" in library.defined
    assert all(version.startswith("GLIBC_") for version in library.versions["libc.so.6"])
    wanted = {symbol.name: symbol for symbol in library.wanted}
    assert wanted["memcpy"].version.startswith("GLIBC_")
    assert wanted["PyLong_FromLong"] == Wanted("PyLong_FromLong", None, None)
    assert not library.defined & wanted.keys()


def test_what_is_no_library_is_refused_by_name(tmp_path):
    path = tmp_path / "libtorch.so"
    path.write_text("-" * 64)
    with pytest.raises(ValueError, match="libtorch.so: not a 64-bit little-endian ELF file"):
        read_library(path)
    path.write_bytes(b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H", 243) + bytes(44))
    with pytest.raises(ValueError, match="libtorch.so: machine 243 is neither"):
        read_library(path)


def test_imports_go_to_the_library_that_they_name_or_whose_name_they_begin_with():
    runtime = "libcudart.so.13"
    libraries = {
        "libtorch_cuda.so": Library(
            machine="x86_64",
            needed=[],
            defined=set(),
            wanted=[
                Wanted("cudaFree", runtime, runtime),
                Wanted("ncclSend", None, None),
                Wanted("ncclOfPyTorch", None, None),
                Wanted("cublasLtCreate", None, None),
                Wanted("nvshmem_free", None, None),
                Wanted("PyLong_Type", None, None),
                Wanted("malloc", "libc.so.6", "GLIBC_2.2.5"),
            ],
            versions={runtime: [runtime], "libc.so.6": ["GLIBC_2.2.5"]},
        ),
        "libtorch_cpu.so": Library("x86_64", [], {"ncclOfPyTorch"}, [], {}),
    }
    missing = {runtime, "libnccl.so.2", "libcublas.so.13", "libcublasLt.so.13", "libnvshmem_host.so.3"}
    written = cuda_stand_ins.stand_ins(libraries, missing)
    assert written.keys() == missing
    where = {
        wanted.name: [name for name, content in written.items() if contains(content, wanted.name)]
        for wanted in libraries["libtorch_cuda.so"].wanted
    }
    assert where == {
        "cudaFree": [runtime],
        "ncclSend": ["libnccl.so.2"],
        "ncclOfPyTorch": [],
        "cublasLtCreate": ["libcublasLt.so.13"],
        "nvshmem_free": ["libnvshmem_host.so.3"],
        "PyLong_Type": [],
        "malloc": [],
    }


def test_functions_that_return_text_are_told_from_those_that_return_a_code():
    names = ["cudaGetErrorString", "cusparseGetErrorName", "ncclGetLastError", "cudaGetLastError", "cudaGetDeviceCount"]
    assert [bool(cuda_stand_ins.RETURNS_WORDS.search(name)) for name in names] == [True, True, True, False, False]


def test_a_folder_without_pytorch_is_refused(tmp_path, capsys):
    assert cuda_stand_ins.main([str(tmp_path)]) == 1
    assert "install torch there first" in capsys.readouterr().err


@on_linux
def test_a_second_run_replaces_the_stand_ins_of_the_first(tmp_path):
    packages = tmp_path / "torch" / "lib"
    packages.mkdir(parents=True)
    [extension] = Path(numpy.__file__).parent.glob("_core/_multiarray_umath*.so")
    (tmp_path / "torch" / "_C.here.so").write_bytes(extension.read_bytes())
    own, earlier = packages / "libnvpl_blas.so.0", packages / "libcudart.so.13"
    own.write_text("of the wheel")
    earlier.write_bytes(write_library("libcudart.so.13", {}, [], "x86_64", 100, cuda_stand_ins.WORDS))
    assert cuda_stand_ins.main([str(tmp_path)]) == 0
    assert own.exists()
    assert not earlier.exists()


def test_pytorch_computes_and_ends_without_a_word(tmp_path):
    """Also two processes that add their tensors, which loads what training on several machines loads."""
    program = """
import os, sys, torch, torch.distributed as distributed, torch.multiprocessing as multiprocessing

def add(rank, file):
    distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    part = torch.full((3,), float(rank + 1))
    distributed.all_reduce(part)
    assert part.tolist() == [3.0] * 3
    distributed.destroy_process_group()

if __name__ == "__main__":
    matrix = torch.rand(40, 40, dtype=torch.float64)
    positive = matrix @ matrix.T + torch.eye(40)
    lower = torch.linalg.cholesky(positive)
    values, vectors = torch.linalg.eigh(positive)
    assert torch.allclose(lower @ lower.T, positive)
    assert torch.allclose(vectors * values @ vectors.T, positive)
    assert torch.allclose(positive @ torch.linalg.solve(positive, matrix), matrix)
    assert torch.cuda.device_count() > 0 or not torch.cuda.is_available()
    multiprocessing.spawn(add, args=(sys.argv[1],), nprocs=2)
    print("done")
"""

    script = tmp_path / "program.py"
    script.write_text(program)
    command = [sys.executable, "-W", "error", str(script), str(tmp_path / "meeting")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr, result.returncode) == ("done\n", "", 0)
