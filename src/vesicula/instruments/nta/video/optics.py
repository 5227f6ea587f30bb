"""Instruments as YAML: packaged presets, and a lab's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vesicula.core.errors import SettingsError
from vesicula.instruments.nta.video.model import Optics

MOST_BYTES = 100_000


class _Number(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)
    value: float
    source: str = Field(min_length=1)


class _Instrument(BaseModel):
    """The file: each number with its source."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=100)
    um_per_px: _Number
    frame_rate_per_s: _Number
    exposure_s: _Number
    temperature_c: _Number
    viscosity_mpa_s: _Number
    wavelength_nm: _Number
    refractive_index_medium: _Number
    numerical_aperture: _Number
    psf_sigma_um: _Number
    depth_of_field_um: _Number
    sheet_sigma_um: _Number
    width_px: _Number
    height_px: _Number
    bit_depth: _Number
    gain_electrons_per_count: _Number
    read_noise_electrons: _Number
    offset_counts: _Number
    full_well_electrons: _Number
    fluorescence: bool = False

    @model_validator(mode="after")
    def _possible(self) -> _Instrument:
        limits = {
            "um_per_px": (0.01, 10), "frame_rate_per_s": (0.1, 10_000), "temperature_c": (0, 100),
            "viscosity_mpa_s": (0.1, 1000), "wavelength_nm": (200, 2000), "refractive_index_medium": (1, 2),
            "numerical_aperture": (0.01, 1.6), "psf_sigma_um": (0.01, 50), "depth_of_field_um": (0.01, 1000),
            "sheet_sigma_um": (0.05, 1000), "width_px": (16, 8192), "height_px": (16, 8192), "bit_depth": (8, 16),
            "gain_electrons_per_count": (1e-3, 1e4), "read_noise_electrons": (0, 1e4), "offset_counts": (0, 1e4),
            "full_well_electrons": (100, 1e7), "exposure_s": (1e-6, 10),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name).value
            if not low <= value <= high:
                raise ValueError(f"{name} is {value:g}; it must lie between {low:g} and {high:g}")
        if self.exposure_s.value > 1.001 / self.frame_rate_per_s.value:
            raise ValueError("exposure_s is longer than a frame lasts (1 / frame_rate_per_s)")
        if self.numerical_aperture.value >= self.refractive_index_medium.value:
            raise ValueError("numerical_aperture must be below refractive_index_medium")
        return self


def preset_names() -> tuple[str, ...]:
    """Return the names of the packaged instruments."""
    folder = files("vesicula") / "data" / "nta_instruments"
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")))


def load_optics(name_or_path: str | Path, **changes: Any) -> Optics:  # noqa: ANN401 - fields of Optics, by name
    """Load an instrument.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        A packaged preset (see :func:`preset_names`), or a YAML file of the same form.
    **changes
        Fields of :class:`~vesicula.instruments.nta.video.model.Optics` to replace, such as ``temperature_c=25.0``.

    Returns
    -------
    Optics
        With the source of each number.

    Raises
    ------
    SettingsError
        If there is no such preset or file, or what it says cannot be.
    """
    raw = _load(name_or_path)
    if not isinstance(raw, dict):
        raise SettingsError(f"{name_or_path}: expected a mapping of the instrument's properties")
    for key, value in changes.items():
        raw[key] = value if key in {"name", "fluorescence"} else {"value": value, "source": "given by the user"}
    try:
        parsed = _Instrument.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"]) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"instrument {name_or_path}: {place}: {message}") from None
    numbers = {k: v for k in _Instrument.model_fields if isinstance(v := getattr(parsed, k), _Number)}
    values: dict[str, Any] = {k: v.value for k, v in numbers.items()}
    for whole in ("width_px", "height_px", "bit_depth"):
        values[whole] = int(values[whole])
    return Optics(
        name=parsed.name,
        fluorescence=parsed.fluorescence,
        sources={k: v.source for k, v in numbers.items()},
        **values,
    )


def _load(name_or_path: str | Path) -> object:
    if str(name_or_path) in preset_names():
        text = (files("vesicula") / "data" / "nta_instruments" / f"{name_or_path}.yaml").read_text(encoding="utf-8")
    else:
        path = Path(name_or_path)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise SettingsError(f"{path}: larger than {MOST_BYTES} bytes; an instrument's YAML is short")
            text = path.read_text(encoding="utf-8")
        except OSError:
            known = ", ".join(preset_names())
            raise SettingsError(
                f"no instrument {str(name_or_path)!r}: the presets are {known}; or give a YAML file"
            ) from None
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{name_or_path}: not valid YAML: {error}") from None
