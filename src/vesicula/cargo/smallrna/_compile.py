"""Compiles the loops with numba, into an object file that runs without it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import llvmlite.binding as llvm
from numba import types
from numba.core import compiler
from numba.core.registry import cpu_target

from vesicula.cargo.smallrna.native import StrangeCodeError

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

    Raises
    ------
    StrangeCodeError
        If a loop does not take the arguments, or not in the form, that `vesicula.cargo.smallrna.native` gives it.
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
    modules = [llvm.parse_bitcode(library._final_module.as_bitcode()) for library in libraries]
    for (name, (_, kinds)), module in zip(signatures.items(), modules, strict=True):
        _check_form(name, kinds.split(), module.get_function(names[name]))
    addresses = {
        name: int(library.get_pointer_to_function(names[name]))
        for name, library in zip(signatures, libraries, strict=True)
    }
    return names, _object_file(modules, libraries[0]._codegen._tm), addresses


def _check_form(name: str, kinds: Sequence[str], function: llvm.ValueRef) -> None:
    """Hold a loop's arguments against those that it will be given."""
    expected = ["ptr", "ptr"]  # places for the result and for a fault
    for kind in kinds:
        dimensions = int(kind.partition(":")[2] or 1)
        expected += ["i64"] if kind == "int" else ["ptr", "ptr", "i64", "i64", "ptr", *["i64"] * (2 * dimensions)]
    taken = ["ptr" if "*" in str(argument.type) else str(argument.type) for argument in function.arguments]
    if taken != expected:
        raise StrangeCodeError(f"{name} takes {', '.join(taken)}")


def _object_file(modules: Sequence[llvm.ModuleRef], machine: llvm.TargetMachine) -> bytes:
    """Return the machine code of all modules, as numba has optimised them (it has no public way to them)."""
    whole = modules[0]
    for module in modules[1:]:
        whole.link_in(module)
    if not all(f.name.startswith(_EVERYWHERE) for f in whole.functions if f.is_declaration):
        return b""
    code: bytes = machine.emit_object(whole)
    return code


def _flags() -> compiler.Flags:
    """Return flags for plain machine code: no reference counting, no entry from Python, no check of divisions."""
    made: Any = compiler.Flags  # its fields are made when numba is imported
    flags = made()
    flags.nrt = False
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.release_gil = True
    return cast("compiler.Flags", flags)


def _type(kind: str) -> types.Type:
    if kind == "int":
        return cast("types.Type", types.int64)
    word, _, dimensions = kind.partition(":")
    array: Any = types.Array
    return cast("types.Type", array(_TYPES[word], int(dimensions or 1), "C"))
