"""The three text exports of the ZetaView: size distributions, positions, zeta potential profiles."""

from __future__ import annotations

import re

from vesicula.instruments.api import Head, Reader
from vesicula.instruments.nta.read._zetaview_positions import looks_like_positions, read_positions
from vesicula.instruments.nta.read._zetaview_profile import looks_like_profile, read_profile
from vesicula.instruments.nta.read._zetaview_size import FIRST_KEY, read_size

_SIZE_TYPE = re.compile(r"(?m)^Type of Measurement:\t\s*Size Distribution\s*$")
_SIZE_TITLE = re.compile(r"(?m)^Size / nm\tNumber\t")


def _is_size(head: Head) -> bool:
    text = head.text.replace("\r", "\n").lstrip("\ufeff \n\t")
    if not text.startswith(FIRST_KEY) or looks_like_profile(head.data):
        return False
    return bool(_SIZE_TYPE.search(text) or _SIZE_TITLE.search(text))


def _is_positions(head: Head) -> bool:
    return looks_like_positions(head.text)


def _is_profile(head: Head) -> bool:
    return looks_like_profile(head.data)


SIZE = Reader(
    name="zetaview_size",
    instrument="ZetaView",
    title="ZetaView size distribution (*_size_*.txt)",
    recognise=_is_size,
    read=read_size,
)

POSITIONS = Reader(
    name="zetaview_positions",
    instrument="ZetaView",
    title="ZetaView results by position (*_11pos.txt)",
    recognise=_is_positions,
    read=read_positions,
)

PROFILE = Reader(
    name="zetaview_profile",
    instrument="ZetaView",
    title="ZetaView zeta potential profile (*_prof_*.txt)",
    recognise=_is_profile,
    read=read_profile,
)
