"""What has a page, and where: names of one identifier share one; file names are safe, unique and stable."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from vesicula.evidence.model import Claim, Mention
from vesicula.mechanism.graph import node_id

ROLES = {
    "condition": ("condition",),
    "cell_source": ("cell_source",),
    "molecule": ("cargo", "target", "pathway"),
    "tumour": ("tumour",),
}
"""Subject of a page: the roles of the names that it is about."""

FOLDERS = {"condition": "conditions", "cell_source": "sources", "molecule": "molecules", "tumour": "tumours"}
_PLAIN = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
MOST_LETTERS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something that has a page.

    Attributes
    ----------
    subject : str
        A key of :data:`ROLES`.
    key : str
        What its names share: one exact identifier, or the very text.
    names : tuple of str
        As printed, the first import's first.
    mentions : tuple of Mention
        One for each distinct name and role: identifiers, status, note.
    path : str
        File, relative to the folder of the pages.
    """

    subject: str
    key: str
    names: tuple[str, ...]
    mentions: tuple[Mention, ...]
    path: str

    @property
    def name(self) -> str:
        """The name that the page bears."""
        return self.names[0]


def slug(label: str, key: str) -> str:
    """Return a file name without its ending: letters to read, and a digest that makes it unique.

    Parameters
    ----------
    label : str
        Any text; only what is ASCII letters and digits without its accents is kept, at most 48 characters.
    key : str
        What must be told apart. The same key and label give the same file name, whatever else is in the store.

    Returns
    -------
    str
        ``[a-z0-9-]`` only, never empty, never a name that an operating system reserves.
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().casefold()
    letters = "-".join(re.findall(r"[a-z0-9]+", plain))[:MOST_LETTERS].strip("-")
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{letters}-{digest}" if letters else digest


def anchor(record_id: str) -> str:
    """Return the id of a record's element: the record's own where that is plain."""
    if len(record_id) <= MOST_LETTERS and _PLAIN.fullmatch(record_id):
        return f"claim-{record_id}"
    return f"claim.{slug(record_id, record_id)}"


def table_path(table: str) -> str:
    """Return the file of a source's table."""
    return f"tables/{slug(table, table)}.html"


def entities(claims: Iterable[Claim]) -> tuple[Entity, ...]:
    """Return everything that claims name and that has a page.

    Parameters
    ----------
    claims : iterable of Claim
        All claims.

    Returns
    -------
    tuple of Entity
        By subject, then by name.
    """
    subjects = {role: subject for subject, roles in ROLES.items() for role in roles}
    found: dict[tuple[str, str], dict[tuple[str, str], Mention]] = {}
    for claim in claims:
        for mention in claim.mentions:
            subject = subjects.get(mention.role)
            if subject is not None and mention.text.strip():
                place = (subject, node_id(subject, mention))
                found.setdefault(place, {}).setdefault((mention.role, mention.text), mention)
    made = [_entity(subject, key, tuple(of.values())) for (subject, key), of in found.items()]
    order = list(ROLES)
    return tuple(sorted(made, key=lambda e: (order.index(e.subject), e.name.casefold(), e.key)))


def _entity(subject: str, key: str, mentions: tuple[Mention, ...]) -> Entity:
    names = tuple(dict.fromkeys(m.text for m in mentions))
    path = f"{FOLDERS[subject]}/{slug(names[0], key)}.html"
    return Entity(subject=subject, key=key, names=names, mentions=mentions, path=path)
