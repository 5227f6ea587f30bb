"""Write docs/images/mechanism-*.svg: pictures of mechanisms in the packaged claims.

Run as: python docs/make_mechanism_picture.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from vesicula.evidence.store import open_store
from vesicula.mechanism.graph import load_graph
from vesicula.mechanism.paths import paths
from vesicula.mechanism.picture import picture_svg

IMAGES = Path(__file__).parent / "images"
PICTURES = {
    "mechanism-aki.svg": ("Acute kidney injury", None, "AKI"),
    "mechanism-pten.svg": ("PTEN", "PTEN", None),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "evidence.sqlite") as store:
        graph = load_graph(store)
    for name, (title, molecule, condition) in PICTURES.items():
        found = paths(graph, molecule=molecule, condition=condition, limit=None)
        (IMAGES / name).write_text(picture_svg(graph, found, title=title), encoding="utf-8", newline="\n")
        print(f"wrote {IMAGES / name}")


if __name__ == "__main__":
    main()
