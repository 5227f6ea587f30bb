"""The compiled loops: machine code made once by numba, kept on disk, and loaded without numba.

Importing numba and letting it load its own cache takes longer (1.3 s) than counting a small file. So the loops are
compiled to one object file, which LLVM's binding (llvmlite, numba's own) links into the process at a later start.

The file is kept in `cache_folder`, under a name that holds a hash of the loops' source, of the versions of Python and
llvmlite, and of the processor. It is written beside its place and renamed; its content is checked by SHA-256 when it is
read; and it is not used if others than its owner may write to it, or if it belongs to another user. It is machine code:
who may write to a user's folders can change what this user runs, here as with Python's own ``__pycache__``. Where
nothing can be written, the loops are compiled in every process (about ten seconds).

How numba passes arrays, and where its machine code is, are its own affair and may change. So what it made is held
against what is expected before it is used or kept; if it differs, the loops are called through numba as anybody would,
which costs the start that this module saves and nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import json
import os
import platform
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Argument: TypeAlias = "NDArray[Any] | int"
Addresses: TypeAlias = Mapping[str, int]

_SOURCES = ("layout.py", "_jit.py", "_scan_kernels.py", "_match_kernels.py", "_sieve_kernels.py", "native.py")
_MAGIC = b"vesicula machine code 1\n"
_HASH = 32
_DTYPES = {"u1": np.uint8, "u2": np.uint16, "i4": np.int32, "i8": np.int64, "u8": np.uint64}
_SIEVE = "i4 u2 i4 u2 u1"

SIGNATURES: dict[str, tuple[str, str]] = {
    "scan": ("_scan_kernels", "u1 int int int int u1 u8 i8 i8 int int u8:2 int i8 i8 u1 u1 u8:2 " + _SIEVE),
    "rehash": ("_scan_kernels", "u8:2 u8:2"),
    "entries": ("_scan_kernels", "u8:2 u8 u8 i8"),
    "unpack": ("_scan_kernels", "u8 u8 u1:2 i8"),
    "match": ("_match_kernels", "u1:2 i8 u1 i8 i8 i8 i4 i4 i4 i4 i8:2 i8 i8:2"),
    "match_other": ("_match_kernels", "u1:2 i8 u1 i8 i8 i8 i8 i8"),
    "sieve": ("_sieve_kernels", f"u8 u8 {_SIEVE} i8"),
}
"""Loop: its module, and its arguments: arrays in C order by type (``:2``: of two dimensions), whole numbers."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A compiled loop; other threads run while it does.

    Parameters
    ----------
    name : str
    kinds : tuple of str
        Of the arguments, as in `SIGNATURES`.
    function : callable
        Takes what numba's calling convention asks for: places for the result and for an exception (none is ever
        raised), then each array as meminfo, parent, items, bytes an item, address, shape, strides.
    """

    name: str
    kinds: tuple[str, ...]
    function: Callable[..., int]

    def __call__(self, *arguments: Argument) -> int:
        """Run; arrays must be of the types declared: what is written here is memory."""
        result, fault = ctypes.c_int64(), ctypes.c_void_p()
        flat: list[int] = []
        for kind, value in zip(self.kinds, arguments, strict=True):
            if kind == "int":
                flat.append(int(value))
            else:
                flat += _array(self.name, kind, value)
        status = self.function(ctypes.addressof(result), ctypes.addressof(fault), *flat)
        if status:
            raise RuntimeError(f"the compiled loop {self.name} ended with status {status}")
        return result.value


def _array(name: str, kind: str, value: Argument) -> tuple[int, ...]:
    """Return an array as the numbers that numba's convention passes."""
    word, _, dimensions = kind.partition(":")
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != _DTYPES[word]
        or value.ndim != int(dimensions or 1)
        or not value.flags.c_contiguous
    ):
        raise TypeError(f"{name}: expected an array of kind {kind} in C order, not {value!r}")
    return (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)


class StrangeCodeError(RuntimeError):
    """Numba's machine code is not called as this module would call it."""


_lock = threading.Lock()


@cache
def loop(name: str) -> Callable[..., int]:
    """Return a compiled loop by its name in `SIGNATURES`; the first call of a process loads (or compiles) all."""
    kinds = tuple(SIGNATURES[name][1].split())
    numbers = sum(1 if kind == "int" else 5 + 2 * int(kind.partition(":")[2] or 1) for kind in kinds)
    with _lock:
        addresses = _addresses()
    if addresses is None:
        return _through_numba(name)
    address = addresses[name]
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * numbers
    )  # fmt: skip
    return Loop(name, kinds, prototype(address))


def _through_numba(name: str) -> Callable[..., int]:
    """Return a loop as numba's public interface makes it."""
    jit = importlib.import_module("vesicula.cargo.smallrna._jit")
    kernels = importlib.import_module(f"vesicula.cargo.smallrna.{SIGNATURES[name][0]}")
    made: Callable[..., int] = jit.helper(getattr(kernels, name))
    return made


@cache
def _addresses() -> Addresses | None:
    """Return where the loops are in memory: loaded, or else compiled (and kept, where that is possible).

    None if numba is no longer as its machine code is expected here.
    """
    folder = cache_folder()
    path = folder / f"smallrna-{_key()}.bin" if folder else None
    kept = read_kept(path) if path else None
    if kept is not None:
        with contextlib.suppress(RuntimeError, KeyError):  # this LLVM cannot link it: compile
            return _linked(*kept)
    try:
        compiler = importlib.import_module("vesicula.cargo.smallrna._compile")
        names, code, addresses = compiler.compile_loops(SIGNATURES)
    except (ImportError, AttributeError, TypeError, StrangeCodeError):
        return None
    if code and path:
        write_kept(path, names, code)
    return dict(addresses)


def cache_folder() -> Path | None:
    """Return where machine code is kept: ``$VESICULA_CACHE_DIR``, else in the user's folder for such files.

    None for a user without a home, as in some containers.
    """
    if given := os.environ.get("VESICULA_CACHE_DIR"):
        return Path(given)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "vesicula"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "vesicula"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "vesicula"


def _key() -> str:
    """Return a word that changes with anything the machine code hangs on."""
    llvm = _llvm()
    folder = files("vesicula.cargo.smallrna")
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((folder / name).read_bytes())
    features = llvm.get_host_cpu_features().flatten()
    versions = (platform.python_version(), importlib.import_module("llvmlite").__version__)
    digest.update(json.dumps([versions, llvm.get_process_triple(), llvm.get_host_cpu_name(), features]).encode())
    return digest.hexdigest()[:24]


def read_kept(path: Path) -> tuple[dict[str, str], bytes] | None:
    """Return the loops' symbols and the object file kept at a path; None if there is none that can be trusted."""
    try:
        with path.open("rb") as handle:
            if not _ours(os.fstat(handle.fileno())) or not _ours(path.parent.stat()):
                return None
            raw = handle.read()
    except OSError:
        return None
    begin = len(_MAGIC) + _HASH
    if not raw.startswith(_MAGIC) or hashlib.sha256(raw[begin:]).digest() != raw[len(_MAGIC) : begin]:
        return None
    header, _, code = raw[begin:].partition(b"\n")
    names: dict[str, str] = json.loads(header)
    return names, code


def _ours(status: os.stat_result) -> bool:
    """Tell whether nobody but this user (or root) can have written a file."""
    if not hasattr(os, "getuid"):  # Windows: the folder is the user's own
        return True
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def write_kept(path: Path, names: Mapping[str, str], code: bytes) -> bool:
    """Keep an object file; False where it cannot be written."""
    payload = json.dumps(dict(names)).encode() + b"\n" + code
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, part = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        try:
            with os.fdopen(number, "wb") as handle:
                handle.write(_MAGIC + hashlib.sha256(payload).digest() + payload)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError:
        return False
    return True


@cache
def _llvm() -> ModuleType:
    llvm = importlib.import_module("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


_engines: list[Any] = []
"""They own the machine code: it must outlive the process's last call."""


def _linked(names: Mapping[str, str], code: bytes) -> Addresses:
    """Link an object file into the process."""
    llvm = _llvm()
    machine = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    addresses = {name: int(engine.get_function_address(symbol)) for name, symbol in names.items()}
    if set(addresses) != set(SIGNATURES) or not all(addresses.values()):
        raise KeyError("loops are missing")
    return addresses
