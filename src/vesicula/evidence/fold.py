"""How names are made comparable for search. What is stored and shown is always the text as printed."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

WORD = re.compile(r"[^\W_]+")
"""A word: letters and digits. "miR-21-5p" has three, so that miR-21 finds it and miR-22 does not."""

GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "κ": "kappa", "ζ": "zeta", "μ": "u"})

# British and American spelling meet in the American form; the reviews print both.
SPELLING = (("aemi", "emi"), ("haem", "hem"), ("oedema", "edema"), ("tumour", "tumor"), ("oesoph", "esoph"))


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Return the words of a text, lower case, without accents, in one spelling, separated by single spaces.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        For instance ``"tgf beta1"`` for ``"TGF-β1"``; empty where the text has no letter or digit.
    """
    plain = unicodedata.normalize("NFKD", text).casefold().translate(GREEK)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    for british, american in SPELLING:
        plain = plain.replace(british, american)
    return " ".join(WORD.findall(plain))


def split_list(cell: str) -> tuple[str, ...]:
    """Return the entries of a cell whose list is separated by semicolons; empty entries are left out."""
    return tuple(part.strip() for part in cell.split(";") if part.strip())
