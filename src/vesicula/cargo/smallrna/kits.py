"""Library kits: adapters, random bases, UMIs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from vesicula.core.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """How a kit builds its reads.

    Parameters
    ----------
    name : str
    adapter_3p : str
        What follows the insert; empty: the reads are trimmed already.
    clip_5p, clip_3p : int
        Bases that belong to the kit at the insert's ends (random bases, template switch).
    umi : int
        Length of the UMI after the adapter; 0: none.
    source : str
        Who says so.
    """

    name: str
    adapter_3p: str
    clip_5p: int = 0
    clip_3p: int = 0
    umi: int = 0
    source: str = "given by the user"

    def __post_init__(self) -> None:
        if self.adapter_3p and (len(self.adapter_3p) < 8 or set(self.adapter_3p) - set("ACGT")):
            raise SettingsError(f"adapter {self.adapter_3p!r}: at least 8 of the letters A, C, G, T are needed.")
        if min(self.clip_5p, self.clip_3p, self.umi) < 0 or self.umi > 16:
            raise SettingsError("clipped bases cannot be negative; a UMI has 0 to 16 bases.")


TRIMMED = Kit(name="trimmed", adapter_3p="", source="no adapter: the reads were trimmed before")


@cache
def kits() -> tuple[Kit, ...]:
    """Return the packaged kits, in the order of the table."""
    text = (files("vesicula.data") / "smallrna" / "kits.tsv").read_text(encoding="utf-8")
    return tuple(
        Kit(
            name=row["kit"], adapter_3p=row["adapter_3p"], clip_5p=int(row["clip_5p"]), clip_3p=int(row["clip_3p"]),
            umi=int(row["umi"]), source=row["source"],
        )
        for row in csv.DictReader(text.splitlines(), delimiter="\t")
    )  # fmt: skip


def kit_named(name: str) -> Kit:
    """Return the kit of that name.

    Raises
    ------
    SettingsError
        If there is none; the message lists those there are.
    """
    for kit in (*kits(), TRIMMED):
        if kit.name == name:
            return kit
    raise SettingsError(f"no kit {name!r}; known: {', '.join(k.name for k in (*kits(), TRIMMED))}.")
