"""What a laboratory has: rotors, columns, membranes, antibodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from vesicula.core.particle_class import MARKERS
from vesicula.isolation.plain_yaml import Entry, parse_yaml
from vesicula.isolation.protocol_text import Equipment
from vesicula.isolation.rotors import Rotor, parse_rotors, rotor, rotors
from vesicula.isolation.sec import Column, column, columns, parse_columns

KEYS = ("rotors", "columns", "filters", "capture", "peg")
REMEDY = "docs/how-to/plan-an-isolation.md shows the form of a file for --have."


@dataclass(frozen=True, slots=True, kw_only=True)
class Membrane:
    """A membrane.

    Parameters
    ----------
    name : str
        For labels.
    kind : {"tff", "uf", "sterile"}
        Tangential flow, centrifugal device, or a filter that the vesicles pass.
    cutoff_kda : float or None
        Of an ultrafilter.
    pore_nm : float or None
        Of a sterile filter.
    area_cm2 : float or None
        Of a tangential flow membrane; None: 50 per 100 mL of feed.
    """

    name: str
    kind: Literal["tff", "uf", "sterile"]
    cutoff_kda: float | None = None
    pore_nm: float | None = None
    area_cm2: float | None = None


# Cut-offs and pores in which such membranes are commonly sold [from memory, unchecked].
USUAL_MEMBRANES = (
    Membrane(name="TFF 100 kDa", kind="tff", cutoff_kda=100),
    Membrane(name="TFF 300 kDa", kind="tff", cutoff_kda=300),
    Membrane(name="TFF 500 kDa", kind="tff", cutoff_kda=500),
    Membrane(name="TFF 750 kDa", kind="tff", cutoff_kda=750),
    Membrane(name="UF 30 kDa", kind="uf", cutoff_kda=30),
    Membrane(name="UF 100 kDa", kind="uf", cutoff_kda=100),
    Membrane(name="0.22 um", kind="sterile", pore_nm=220),
    Membrane(name="0.45 um", kind="sterile", pore_nm=450),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What is there.

    Parameters
    ----------
    rotors, columns : dict
        By name.
    membranes : tuple of Membrane
        Membranes.
    capture : tuple of str
        Markers for which there are beads.
    peg : bool
        Whether precipitation is wanted.
    own_rotors, own_columns : frozenset of str
        Names that are the user's own tables', not packaged ones.
    assumed : tuple of str
        What no file said, and was taken as there.
    """

    rotors: dict[str, Rotor] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    membranes: tuple[Membrane, ...] = USUAL_MEMBRANES
    capture: tuple[str, ...] = MARKERS
    peg: bool = True
    own_rotors: frozenset[str] = frozenset()
    own_columns: frozenset[str] = frozenset()
    assumed: tuple[str, ...] = ()

    def equipment(self) -> Equipment:
        """Return it as protocols want it."""
        return Equipment(rotors=dict(self.rotors), columns=dict(self.columns))

    def of_kind(self, kind: str) -> list[Membrane]:
        """Return the membranes of one kind."""
        return [m for m in self.membranes if m.kind == kind]

    def swing_out(self) -> dict[str, Rotor]:
        """Return the swing-out rotors."""
        return {name: r for name, r in self.rotors.items() if r.kind == "swing-out"}


def whole_lab() -> Lab:
    """Return a laboratory that has every packaged rotor and column, and the usual membranes, beads and polymer."""
    return Lab(
        rotors=dict(rotors()), columns=dict(columns()),
        assumed=("all packaged rotors and columns", "the usual membranes, beads and PEG"),
    )  # fmt: skip


def parse_lab(texts: Sequence[tuple[str, str]]) -> Lab:
    """Read what a laboratory has from its files.

    Rotors and columns that no file names are not there. Membranes, beads and polymer are bought as needed: unless a
    file has the key ``filters``, ``capture`` or ``peg``, the usual ones are taken as there.

    Parameters
    ----------
    texts : sequence of (str, str)
        Name and content of each file: a table of rotors, a table of columns, or a list of what is there.

    Returns
    -------
    Lab
        Everything together.

    Raises
    ------
    UnreadableFile
        When a file is none of these, or names a rotor or column that nobody knows.
    """
    if not texts:
        return whole_lab()
    found_rotors: dict[str, Rotor] = {}
    found_columns: dict[str, Column] = {}
    own: tuple[set[str], set[str]] = (set(), set())
    lists: list[Mapping[str, Entry]] = []
    for name, text in texts:
        kind, root = _kind(text, name)
        if kind == "rotors":
            found_rotors.update(parse_rotors(text, name=name))
            own[0].update(root.mapping())
        elif kind == "columns":
            found_columns.update(parse_columns(text, name=name))
            own[1].update(root.mapping())
        else:
            lists.append(root.mapping(KEYS))
    for cells in lists:
        _add_named(cells, found_rotors, found_columns)
    return _with_bought(lists, found_rotors, found_columns, own)


def _kind(text: str, name: str) -> tuple[str, Entry]:
    root = parse_yaml(text, name=name)
    cells = root.mapping()
    if any(key in KEYS for key in cells):
        return "list", root
    first = next(iter(cells.values()), None)
    inner = first.value if first is not None and isinstance(first.value, dict) else {}
    if "r_max_mm" in inner or "kind" in inner:
        return "rotors", root
    if "bed_ml" in inner or "void_ml" in inner:
        return "columns", root
    expected = f"a table of rotors, a table of columns, or a list with the keys {', '.join(KEYS)}"
    raise root.error(expected, ", ".join(list(cells)[:4]) or "nothing", REMEDY)


def _add_named(
    cells: Mapping[str, Entry], found_rotors: dict[str, Rotor], found_columns: dict[str, Column]
) -> None:
    for entry in cells["rotors"].items() if "rotors" in cells else ():
        name = entry.text({**rotors(), **found_rotors})
        found_rotors[name] = rotor(name, found_rotors)
    for entry in cells["columns"].items() if "columns" in cells else ():
        name = entry.text({**columns(), **found_columns})
        found_columns[name] = column(name, found_columns)


def _with_bought(
    lists: Sequence[Mapping[str, Entry]],
    found_rotors: dict[str, Rotor],
    found_columns: dict[str, Column],
    own: tuple[set[str], set[str]],
) -> Lab:
    named = {key: [cells[key] for cells in lists if key in cells] for key in ("filters", "capture", "peg")}
    membranes = [_membrane(key, e) for cell in named["filters"] for key, e in cell.mapping().items()]
    capture = [e.text(MARKERS) for cell in named["capture"] for e in cell.items()]
    words = {"filters": "the usual membranes", "capture": "beads against CD9, CD63 and CD81", "peg": "PEG"}
    return Lab(
        rotors=found_rotors,
        columns=found_columns,
        membranes=tuple(membranes) if named["filters"] else USUAL_MEMBRANES,
        capture=tuple(dict.fromkeys(capture)) if named["capture"] else MARKERS,
        peg=all(e.boolean() for e in named["peg"]),
        own_rotors=frozenset(own[0]),
        own_columns=frozenset(own[1]),
        assumed=tuple(words[key] for key, given in named.items() if not given),
    )


def _membrane(name: str, entry: Entry) -> Membrane:
    cells = entry.mapping(("kind", "cutoff_kda", "pore_nm", "area_cm2"), ("kind",))
    kind = cast("Literal['tff', 'uf', 'sterile']", cells["kind"].text(("tff", "uf", "sterile")))
    entry.mapping(None, ("pore_nm",) if kind == "sterile" else ("cutoff_kda",))
    numbers = {key: cells[key].number(above=0) for key in ("cutoff_kda", "pore_nm", "area_cm2") if key in cells}
    return Membrane(name=name, kind=kind, **numbers)
