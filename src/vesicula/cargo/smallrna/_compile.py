"""Compiles the loops with numba, into an object file that runs without it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from numba import types
from numba.core import compiler
from numba.core.registry import cpu_target

_TYPES = {"u1": types.uint8, "u2": types.uint16, "i4": types.int32, "i8": types.int64, "u8": types.uint64}
_EVERYWHERE = ("llvm.", "memchr", "memset", "memcpy", "memmove")
"""Beginnings of the functions that every process has."""


def compile_loops(signatures: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], bytes, dict[str, int]]:
    """Return the loops' symbols, the object file that holds them, and where they are in this process.

    The object file is empty if the code asks for functions that only a process with numba has (a loop allocates, or can
    raise): then it cannot be kept.

    Parameters
    ----------
    signatures : mapping
        As `vesicula.cargo.smallrna.native.SIGNATURES`.
    """
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    compile_one: Any = compiler.compile_extra
    names: dict[str, str] = {}
    libraries = []
    for name, (module, kinds) in signatures.items():
        function = getattr(importlib.import_module(f"vesicula.cargo.smallrna.{module}"), name)
        arguments = tuple(_type(kind) for kind in kinds.split())
        made = compile_one(
            cpu_target.typing_context, cpu_target.target_context, function, arguments, types.int64, _flags(), {}
        )
        names[name] = made.fndesc.mangled_name
        libraries.append(made.library)
    addresses = {
        name: int(library.get_pointer_to_function(names[name]))
        for name, library in zip(signatures, libraries, strict=True)
    }
    return names, _object_file(libraries), addresses


def _object_file(libraries: Sequence[Any]) -> bytes:
    """Return the machine code of all libraries, as numba has optimised them (it has no public way to them)."""
    whole = llvm.parse_bitcode(libraries[0]._final_module.as_bitcode())
    for library in libraries[1:]:
        whole.link_in(llvm.parse_bitcode(library._final_module.as_bitcode()))
    if not all(f.name.startswith(_EVERYWHERE) for f in whole.functions if f.is_declaration):
        return b""
    code: bytes = libraries[0]._codegen._tm.emit_object(whole)
    return code


def _flags() -> Any:  # noqa: ANN401 - numba has no types
    """Return flags for plain machine code: no reference counting, no entry from Python, no check of divisions."""
    make: Any = compiler.Flags  # its fields are made when numba is imported
    flags = make()
    flags.nrt = False
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.release_gil = True
    return flags


def _type(kind: str) -> Any:  # noqa: ANN401 - numba has no types
    if kind == "int":
        return types.int64
    word, _, dimensions = kind.partition(":")
    return types.Array(_TYPES[word], int(dimensions or 1), "C")
