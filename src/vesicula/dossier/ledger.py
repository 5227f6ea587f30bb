"""Methods and sources of the whole study, each listed once however many numbers rest on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from vesicula.core.finding import Citation, MethodRef
from vesicula.dossier.model import MethodEntry, Source, SourceEntry
from vesicula.dossier.wording import parameters_of, source_of

SHOWN_SETS = 3
"""Parameter sets printed per method; findings.json holds all."""

SHOWN_USES = 8
"""Findings named per source."""


@dataclass(slots=True)
class _Method:
    anchor: str
    source: Source | None
    used: int = 0
    sets: dict[tuple[tuple[str, str], ...], None] = field(default_factory=dict)
    further: int = 0


@dataclass(slots=True)
class Ledger:
    """Collects methods and sources while the batches stream by; its size does not grow with the batches.

    Parameters
    ----------
    methods : dict
        By name and version.
    sources : dict
        By text and DOI, with the titles of the findings that rest on each.
    """

    methods: dict[tuple[str, str], _Method] = field(default_factory=dict)
    sources: dict[tuple[str, str], tuple[Source, dict[str, None]]] = field(default_factory=dict)

    def add_method(self, method: MethodRef) -> str:
        """Note one use of a method and return the anchor of its entry."""
        entry = self.methods.get((method.name, method.version))
        if entry is None:
            source = source_of(method.citation) if method.citation else None
            entry = _Method(anchor=f"m{len(self.methods) + 1}", source=source)
            self.methods[method.name, method.version] = entry
        entry.used += 1
        parameters = parameters_of(method.parameters)
        if parameters not in entry.sets:
            if len(entry.sets) < SHOWN_SETS:
                entry.sets[parameters] = None
            else:
                entry.further += 1
        return entry.anchor

    def add_source(self, citation: Citation, used_for: str) -> Source:
        """Note one use of a source."""
        key = (citation.text, citation.doi)
        if key not in self.sources:
            self.sources[key] = (source_of(citation), {})
        source, uses = self.sources[key]
        if len(uses) <= SHOWN_USES:
            uses[used_for] = None
        return source

    def method_entries(self) -> tuple[MethodEntry, ...]:
        """Return the list of methods in order of first use."""
        return tuple(
            MethodEntry(
                anchor=m.anchor,
                name=name,
                version=version,
                parameter_sets=tuple(m.sets),
                further_sets=m.further,
                source=m.source,
                used=m.used,
            )
            for (name, version), m in self.methods.items()
        )

    def source_entries(self) -> tuple[SourceEntry, ...]:
        """Return the list of sources in alphabetical order."""
        entries = []
        for source, uses in sorted(self.sources.values(), key=lambda pair: (pair[0].text, pair[0].doi)):
            shown = tuple(uses)[:SHOWN_USES]
            entries.append(
                SourceEntry(source=source, used_for=(*shown, "and others") if len(uses) > SHOWN_USES else shown)
            )
        return tuple(entries)
