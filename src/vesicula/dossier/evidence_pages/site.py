"""Writes the pages of the evidence store: everything or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vesicula._version import __version__
from vesicula.core.errors import DossierError, shorten
from vesicula.dossier.evidence_pages import build
from vesicula.dossier.evidence_pages.model import Frame, IndexEntry
from vesicula.dossier.evidence_pages.names import ROLES, Entity, anchor, entities, table_path
from vesicula.dossier.evidence_pages.parts import (
    Links,
    claim_view,
    doi_link,
    reference_view,
    row_view,
    trial_anchor,
    trial_groups,
)
from vesicula.dossier.evidence_pages.render import own, policy, render
from vesicula.dossier.inputs import sha256_of
from vesicula.dossier.staging import CRATE, MANIFEST, is_dossier, staged
from vesicula.evidence.model import Claim, Question, TableEntry
from vesicula.evidence.names import coverage, unmapped_report
from vesicula.evidence.store import Store
from vesicula.mechanism.graph import build_graph
from vesicula.mechanism.model import Graph
from vesicula.mechanism.overview import Overview, overview

MARK = "#evidence-pages"
"""The entity in ro-crate-metadata.json by which a folder is known to hold evidence pages, and no other dossier."""

TITLES = {"condition": "Conditions", "cell_source": "Cell sources", "molecule": "Molecules", "tumour": "Tumours"}
KICKERS = {"condition": "Condition", "cell_source": "Cell source", "molecule": "Molecule", "tumour": "Tumour"}

Progress = Callable[[int, int], None]
Gather = Callable[..., Overview]


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePaths:
    """What was written: the folder, its index, the number of pages, their size, the store's version."""

    folder: Path
    index: Path
    pages: int
    size_bytes: int
    version: str


@dataclass(slots=True, kw_only=True)
class _Site:
    """A site being written."""

    store: Store
    version: str
    claims: tuple[Claim, ...]
    graph: Graph
    links: Links
    work: Path
    software: str
    pages: int = 0

    def write(self, path: str, template: str, frame: Frame, **context: object) -> None:
        target = self.work / path
        target.parent.mkdir(exist_ok=True)
        text = render(template, frame, context)
        # A lone surrogate of an odd import becomes a question mark instead of stopping all pages.
        target.write_bytes(text.encode("utf-8", "replace"))
        self.pages += 1

    def frame(self, title: str, *, kicker: str = "", lead: str = "", root: str = "", active: str = "",
              script: str = "") -> Frame:  # fmt: skip
        return Frame(
            title=title,
            kicker=kicker,
            lead=lead,
            root=root,
            version=self.version,
            software=self.software,
            active=active,
            script=Markup(script),  # noqa: S704 - our own scripts
            policy=policy(script),
        )


def write_pages(
    store: Store,
    folder: Path | str,
    *,
    as_of: int | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    gather: Gather = overview,
) -> SitePaths:
    """Write static pages of a store: an index, a page for each thing that claims name, trials, doubts, names, tables.

    The folder appears whole or not at all. The same version of a store gives the same bytes.

    Parameters
    ----------
    store : Store
        An open one.
    folder : pathlib.Path or str
        Where the pages shall be; its parent is made if need be.
    as_of : int or str, optional
        A past revision, by number or version.
    overwrite : bool
        Replace older evidence pages. Any other folder is left alone in every case.
    progress : callable, optional
        Called after each page of a condition, source, molecule or tumour with the number done and the number in all.
    gather : callable
        Gives the overview of one thing; :func:`vesicula.mechanism.overview.overview`.

    Returns
    -------
    SitePaths
        What was written.

    Raises
    ------
    DossierError
        When the place is taken or cannot be written.
    StoreError
        If there is no such revision, or the store cannot be read.
    """
    folder = Path(folder).absolute()
    _check_place(folder, overwrite=overwrite)
    version = store.version(as_of)
    claims = store.query(Question(), as_of=version).claims
    graph = build_graph(claims, version=version)
    things = entities(claims)
    with staged(folder, overwrite=overwrite) as work:
        site = _Site(
            store=store, version=version, claims=claims, graph=graph, links=_links(store, version, claims, things),
            work=work, software=_software(),
        )  # fmt: skip
        built = _write_entities(site, things, progress, gather)
        _write_lists(site)
        _write_tables(site)
        _write_index(site, built)
        size = sum(p.stat().st_size for p in work.rglob("*.html"))
        _write_crate(site)
    return SitePaths(folder=folder, index=folder / "index.html", pages=site.pages, size_bytes=size, version=version)


def is_site(folder: Path) -> bool:
    """Say whether a folder holds evidence pages of ours."""
    if not is_dossier(folder):
        return False
    graph = json.loads((folder / CRATE).read_text(encoding="utf-8"))["@graph"]
    return any(isinstance(e, dict) and e.get("@id") == MARK for e in graph)


def _check_place(folder: Path, *, overwrite: bool) -> None:
    if not is_dossier(folder):
        return
    if not is_site(folder):
        raise DossierError(
            f"{folder}: holds a dossier of batches, no evidence pages; it is left alone. Choose another place."
        )
    if not overwrite:
        raise DossierError(f"{folder}: evidence pages stand there already. Allow overwriting, or choose another place.")


def _software() -> str:
    return f"vesicula {__version__}"


def _links(store: Store, version: str, claims: Iterable[Claim], things: Iterable[Entity]) -> Links:
    pages = {(e.subject, name): e.path for e in things for name in e.names}
    homes = {c.record_id: f"{table_path(c.table)}#{anchor(c.record_id)}" for c in claims}
    homes |= {t.nct_id: f"trials.html#{trial_anchor(t.nct_id)}" for t in store.trials(version) if t.nct_id}
    for entry in store.tables(version):
        homes.setdefault(entry.table, table_path(entry.table))
    return Links(pages, homes)


def _write_entities(
    site: _Site, things: tuple[Entity, ...], progress: Progress | None, gather: Gather
) -> list[tuple[Entity, build.Built]]:
    done: list[tuple[Entity, build.Built]] = []
    links = site.links.at("../")
    script = str(build.picture_script())
    for number, entity in enumerate(things, start=1):
        found = gather(site.store, entity.subject, entity.name, as_of=site.version, graph=site.graph)
        built = build.build_entity(entity, found, site.graph, links)
        frame = site.frame(
            entity.name,
            kicker=KICKERS[entity.subject],
            lead=built.verdict,
            root="../",
            script=script if built.view.picture else "",
        )
        site.write(entity.path, "entity.html.j2", frame, page=built.view)
        done.append((entity, built))
        if progress is not None:
            progress(number, len(things))
    return done


def _write_lists(site: _Site) -> None:
    trials = site.store.trials(site.version)
    groups = trial_groups(trials, "")
    doses = sum(any(r.dose for r in g.reports) for g in groups)
    differ = sum(bool(g.differences) for g in groups)
    lead = (
        f"{len(groups)} trials in {len(trials)} reports of {len({t.source for t in trials})} sources; "
        f"{doses} with a dose; {sum(len(g.reports) > 1 for g in groups)} stand in more than one report, "
        f"and the reports of {differ} do not print the same."
    )
    frame = site.frame("Clinical trials", lead=lead, active="trials")
    site.write("trials.html", "trials.html.j2", frame, trials=groups)
    doubts = site.store.doubts(site.version)
    lead = f"{len(doubts)} doubts that the curators noted on rows of the tables."
    site.write(
        "doubts.html",
        "doubts.html.j2",
        site.frame("Doubts", lead=lead, active="doubts"),
        tables=build.group_doubts(doubts, site.links),
    )
    _write_names(site)
    _write_references(site)


def _write_names(site: _Site) -> None:
    counts = build.status_counts(site.claims)
    open_names = sum(counts[s] for s in ("unmapped", "ambiguous", "not looked up"))
    lead = (
        f"{sum(counts.values())} names, counted once in each role; {open_names} have no identifier or several, "
        "and stand first with the reason."
    )
    # A share of the registries as they are packaged now; the lists below are as of the store's version.
    shares = [
        (c, f"{100 * c.mapped_fraction:.1f} %" if c.distinct > c.nothing else "none named")
        for c in coverage(unmapped_report({"claims": site.claims}))
    ]
    site.write(
        "names.html",
        "names.html.j2",
        site.frame("Names", lead=lead, active="names"),
        roles=build.name_rows(site.claims, site.links),
        coverage=shares,
    )


def _write_references(site: _Site) -> None:
    citing: dict[tuple[str, str], list[str]] = {}
    for claim in site.claims:
        for r in claim.references:
            citing.setdefault((r.source, r.number), []).append(claim.record_id)
    sources: dict[str, list[object]] = {}
    references = site.store.references(site.version)
    for r in references:
        of = site.links.records(dict.fromkeys(citing.get((r.source, r.number), ())))
        sources.setdefault(r.source, []).append((reference_view(r), of))
    cited = sum((r.source, r.number) in citing for r in references)
    lead = f"{len(references)} rows of the sources' reference lists; {cited} of them stand behind claims."
    site.write(
        "references.html",
        "references.html.j2",
        site.frame("References", lead=lead, active="references"),
        sources=tuple(sources.items()),
    )


def _write_tables(site: _Site) -> None:
    lines: dict[str, list[tuple[str, str, str, int]]] = {}
    for entry in site.store.tables(site.version):
        count = _write_table(site, entry)
        lines.setdefault(entry.source, []).append((entry.table, table_path(entry.table), entry.title, count))
    lead = "Every table of every source, given back row by row as it is printed, in its groups."
    site.write(
        "tables.html",
        "tables.html.j2",
        site.frame("Tables", lead=lead, active="tables"),
        sources=tuple(lines.items()),
    )


def _write_table(site: _Site, entry: TableEntry) -> int:
    view = site.store.table(entry.table, site.version)
    links = site.links.at("../")
    groups = []
    for group in view.groups:
        claims = tuple(claim_view(r, links) for r in group.rows if isinstance(r, Claim))
        rows = tuple(row_view(r, view.columns) for r in group.rows if not isinstance(r, Claim))
        groups.append((group.name, claims, rows))
    frame = site.frame(
        view.title or entry.table, kicker=entry.table, lead=f"{view.row_count} rows.", root="../", active="tables"
    )
    site.write(table_path(entry.table), "table.html.j2", frame, groups=groups, columns=view.columns)
    return view.row_count


def _write_index(site: _Site, built: list[tuple[Entity, build.Built]]) -> None:
    lists = []
    for subject in ROLES:
        of = [_index_entry(e, b) for e, b in built if e.subject == subject]
        if of:
            lists.append((TITLES[subject], of))
    conflicts: dict[str, list[tuple[str, str]]] = {}
    for entity, page in built:
        for text in page.conflicts:
            conflicts.setdefault(text, []).append((entity.name, entity.path))
    doubts = site.store.doubts(site.version)
    doubted = sum(bool(c.doubts) for c in site.claims)
    trials = {t.nct_id for t in site.store.trials(site.version)}
    contradicted = [e for e, b in built if b.conflicts]
    lead = (
        f"{_count(len(site.claims), 'claim')} of {_count(len({c.source for c in site.claims}), 'source')}. "
        f"They conflict about {_named(contradicted)}. "
        f"{doubted} of the claims carry a curator's doubt, and {_unreported(site.claims)} do not say how the "
        "vesicles were isolated."
    )
    numbers = [
        (len(site.claims), "claims"),
        *((len(of), title.lower()) for title, of in lists),
        (len(trials), "trials"),
        (len(doubts), "doubts"),
        (len(conflicts), "conflicts in words"),
    ]
    site.write(
        "index.html",
        "index.html.j2",
        site.frame("Evidence", kicker="What the literature and the trials claim", lead=lead, active="index",
                   script=own("evidence.js")),
        numbers=numbers,
        lists=lists,
        conflicts=[(site.links.sentence(text), places) for text, places in conflicts.items()],
        sources=[(s, doi_link(s.doi)) for s in site.store.sources(site.version)],
    )  # fmt: skip


def _index_entry(entity: Entity, built: build.Built) -> IndexEntry:
    known = [t for m in entity.mentions for t in (*m.identifiers, m.label)]
    return IndexEntry(
        name=shorten("; ".join(entity.names), 120),
        href=entity.path,
        search=shorten(" ".join(dict.fromkeys((*entity.names, *known))), 600),
        claims=built.claims,
        doubts=built.doubts,
        conflict=bool(built.conflicts),
        verdict=shorten(built.verdict, 300),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(things: list[Entity]) -> str:
    parts = []
    for subject in ROLES:
        of = [e for e in things if e.subject == subject]
        if of:
            noun = (KICKERS if len(of) == 1 else TITLES)[subject].lower()
            few = f" ({', '.join(shorten(e.name, 40) for e in of)})" if len(of) <= 5 else ""
            parts.append(f"{len(of)} {noun}{few}")
    return ", ".join(parts) or "nothing"


def _unreported(claims: Iterable[Claim]) -> int:
    return sum(c.isolation_method.strip().lower() in {"", "not reported"} for c in claims)


def _write_crate(site: _Site) -> None:
    """Mark the folder as ours, so that it may be replaced and nothing else is; list the hash of every file."""
    names = sorted(p.relative_to(site.work).as_posix() for p in site.work.rglob("*") if p.is_file())
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Evidence store {site.version}",
            "hasPart": [{"@id": n} for n in names],
        },
        {"@id": MARK, "@type": "WebSite", "name": f"Pages of the evidence store, version {site.version}"},
        {"@id": "#vesicula", "@type": "SoftwareApplication", "name": site.software},
    ]
    document = {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}
    (site.work / CRATE).write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    lines = [f"{sha256_of(site.work / name)}  {name}\n" for name in sorted([*names, CRATE])]
    (site.work / MANIFEST).write_text("".join(lines), encoding="utf-8", newline="\n")
