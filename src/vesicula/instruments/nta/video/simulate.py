"""A population of particles as an NTA instrument would film it: the forward model that every analysis is tested on.

Particles diffuse in three dimensions (Stokes-Einstein) under drift and vibration, move while the shutter is open,
scatter after Mie (or shine and bleach, in fluorescence), are lit by a light sheet, blurred by the optics out of
focus, and meet a camera with shot noise, read noise, an offset, a full well and a number of bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numba
import numpy as np

from vesicula.core.measurement import FloatArray
from vesicula.core.population import Population
from vesicula.instruments.nta.video.model import Frame, IntArray, Optics, Truth
from vesicula.instruments.nta.video.psf import STEPS_PER_PX, PsfTable, psf_table
from vesicula.instruments.nta.video.scatter import POLYSTYRENE, VESICLE, Material, collected_cross_section_nm2

BOLTZMANN_J_PER_K = 1.380649e-23
"""Exact in the SI since 2019."""

SUBSTEPS = 6
"""Positions per exposure. Blur lowers the mean squared step by D t/3 (1 - 1/SUBSTEPS^2 ...): within 1 % at six."""

SHEET_REACH = 3.5
"""Particles are followed to so many SDs of the light sheet, where 0.2 % of the light is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    """What is filmed, and how.

    Attributes
    ----------
    duration_s : float
        Length of the movie.
    material : Material
        What the particles are made of.
    reference_electrons : float
        Electrons that a polystyrene sphere of 100 nm in the middle of the sheet gives in one frame: laser power,
        exposure and quantum yield together. In fluorescence, of a particle of 100 nm.
    drift_um_per_s : tuple of (float, float)
        Along the frame's x and y.
    vibration_um, vibration_hz : float
        Amplitude and frequency of the stage, along x.
    background_electrons : float
        Mean background per pixel and frame.
    background_gradient : float
        Relative rise of the background from the left to the right edge.
    bleaching_s : float or None
        Time constant of bleaching; only in fluorescence.
    stray_spots : int
        Fixed bright spots (dirt on the window).
    """

    duration_s: float = 60.0
    material: Material = VESICLE
    reference_electrons: float = 20_000.0
    drift_um_per_s: tuple[float, float] = (0.0, 0.0)
    vibration_um: float = 0.0
    vibration_hz: float = 7.0
    background_electrons: float = 40.0
    background_gradient: float = 0.0
    bleaching_s: float | None = None
    stray_spots: int = 0


@dataclass(slots=True)
class _Box:
    """The particles of a movie: a periodic box a little larger than the picture."""

    size_um: FloatArray
    margin_um: float
    position_um: FloatArray
    diameter_nm: FloatArray
    diffusion_um2_per_s: FloatArray
    electrons: FloatArray
    identity: IntArray
    next_identity: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMovie:
    """A movie that is made as it is read; it can be read again and is then the same.

    Attributes
    ----------
    optics : Optics
        The instrument.
    settings : VideoSettings
        What is filmed.
    population : Population
        The truth.
    seed : int
        All randomness comes from it.
    """

    optics: Optics
    settings: VideoSettings
    population: Population
    seed: int
    _psf: list[PsfTable] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What was simulated."""
        return f"simulated {self.optics.name}, seed {self.seed}"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, in pixels."""
        return self.optics.height_px, self.optics.width_px

    @property
    def frame_rate_per_s(self) -> float:
        """Frames per second."""
        return self.optics.frame_rate_per_s

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return max(1, round(self.settings.duration_s * self.optics.frame_rate_per_s))

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, shape ``(height, width)``, of uint8 or uint16."""
        noise = np.random.default_rng([self.seed, 1])
        background = _background(self.optics, self.settings, np.random.default_rng([self.seed, 2]))
        psf = self._table()
        for path, electrons, _, _ in self._motion():
            image = background.copy()
            _render(
                image,
                path / self.optics.um_per_px,
                np.abs(path[:, :, 2]),
                electrons,
                psf.values,
                psf.dz_um,
                psf.radius_px,
                _sheet(path[:, :, 2], self.optics),
            )
            yield _exposed(image, self.optics, noise)

    def truth(self) -> Truth:
        """Return where each particle was, from the same random numbers as the frames."""
        psf = self._table()
        noise_sd = _noise_sd(self.optics, self.settings)
        parts: list[tuple[FloatArray | IntArray, ...]] = []
        height, width = self.shape
        for number, (path, electrons, identity, diameter) in enumerate(self._motion()):
            mean = path.mean(axis=1)
            x, y, z = mean[:, 0] / self.optics.um_per_px, mean[:, 1] / self.optics.um_per_px, mean[:, 2]
            inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
            light = electrons * _sheet(path[:, :, 2], self.optics).mean(axis=1)
            row = np.minimum((np.abs(z) / psf.dz_um).astype(np.int64), psf.values.shape[0] - 1)
            snr = light * psf.values[row, 0] / noise_sd
            frame = np.full(int(inside.sum()), number, dtype=np.int64)
            kept = (identity, x, y, z, diameter, light, snr)
            parts.append((frame, *(values[inside] for values in kept)))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        frame, particle, x, y, z, diameter, light, snr = columns
        return Truth(
            particle=particle.astype(np.int64), frame=frame.astype(np.int64), x_px=x, y_px=y, z_um=z,
            diameter_nm=diameter, electrons=light, snr=snr,
        )  # fmt: skip

    def _table(self) -> PsfTable:
        if not self._psf:
            self._psf.append(psf_table(self.optics, reach_um=SHEET_REACH * self.optics.sheet_sigma_um))
        return self._psf[0]

    def _motion(self) -> Iterator[tuple[FloatArray, FloatArray, IntArray, FloatArray]]:
        """Yield, frame by frame: positions (n, SUBSTEPS, 3) in um, electrons, identities, diameters."""
        rng = np.random.default_rng([self.seed, 0])
        box = _filled_box(self.population, self.optics, self.settings, rng)
        period = 1 / self.optics.frame_rate_per_s
        exposure = self.optics.exposure_s
        drift = np.array([*self.settings.drift_um_per_s, 0.0])
        for number in range(self.frame_count):
            start = number * period
            path = np.empty((box.diameter_nm.size, SUBSTEPS, 3))
            for i in range(SUBSTEPS):
                # The first half step leads to the middle of the first sub-exposure.
                step = exposure / SUBSTEPS * (0.5 if i == 0 else 1.0)
                _move(box, step, drift, rng)
                path[:, i] = box.position_um
                time = start + (i + 0.5) * exposure / SUBSTEPS
                path[:, i, 0] += self.settings.vibration_um * np.sin(2 * np.pi * self.settings.vibration_hz * time)
            path[:, :, :2] -= box.margin_um
            fading = 1.0
            if self.settings.bleaching_s is not None:
                fading = float(np.exp(-start / self.settings.bleaching_s))
            yield path, box.electrons * fading, box.identity.copy(), box.diameter_nm
            _move(box, max(period - exposure, 0.0) + 0.5 * exposure / SUBSTEPS, drift, rng)
            _wrap(box)


def simulate_video(
    population: Population, optics: Optics, settings: VideoSettings, rng: np.random.Generator
) -> SimulatedMovie:
    """Film a population.

    Parameters
    ----------
    population : Population
        As it is in the cell, diluted.
    optics : Optics
        The instrument.
    settings : VideoSettings
        What is filmed, and how.
    rng : numpy.random.Generator
        Gives the movie's seed.

    Returns
    -------
    SimulatedMovie
        Frames are made as they are read.
    """
    return SimulatedMovie(optics=optics, settings=settings, population=population, seed=int(rng.integers(0, 2**63 - 1)))


def stokes_einstein_um2_per_s(diameter_nm: FloatArray, *, temperature_c: float, viscosity_mpa_s: float) -> FloatArray:
    """Return the diffusion coefficient of spheres (Einstein 1905): kB T / (3 pi eta d).

    Parameters
    ----------
    diameter_nm : numpy.ndarray
        Hydrodynamic diameters.
    temperature_c, viscosity_mpa_s : float
        Of the medium.

    Returns
    -------
    numpy.ndarray
        In um^2/s, of the shape of `diameter_nm`.
    """
    energy = BOLTZMANN_J_PER_K * (temperature_c + 273.15)
    return np.asarray(energy / (3 * np.pi * viscosity_mpa_s * 1e-3 * diameter_nm * 1e-9) * 1e12)


def draw_diameters(population: Population, count: int, rng: np.random.Generator) -> FloatArray:
    """Draw diameters from a population by its distribution function, linear between the points of its grid."""
    d, f = population.diameter_nm, population.density_per_ml_per_nm
    cumulative = np.concatenate([[0.0], np.cumsum(np.diff(d) * (f[1:] + f[:-1]) / 2)])
    return np.asarray(np.interp(rng.random(count) * cumulative[-1], cumulative, d))


def _filled_box(population: Population, optics: Optics, settings: VideoSettings, rng: np.random.Generator) -> _Box:
    margin = 12 * optics.psf_sigma_um
    depth = 2 * SHEET_REACH * optics.sheet_sigma_um
    size = np.array([
        optics.width_px * optics.um_per_px + 2 * margin, optics.height_px * optics.um_per_px + 2 * margin, depth,
    ])  # fmt: skip
    volume_ml = float(np.prod(size)) * 1e-12
    count = int(rng.poisson(population.concentration_per_ml * volume_ml))
    diameter = draw_diameters(population, count, rng)
    position = rng.random((count, 3)) * size - np.array([0.0, 0.0, depth / 2])
    return _Box(
        size_um=size,
        margin_um=margin,
        position_um=position,
        diameter_nm=diameter,
        diffusion_um2_per_s=stokes_einstein_um2_per_s(
            diameter, temperature_c=optics.temperature_c, viscosity_mpa_s=optics.viscosity_mpa_s
        ),
        electrons=particle_electrons(diameter, optics, settings),
        identity=np.arange(count, dtype=np.int64),
        next_identity=count,
    )


def particle_electrons(diameter_nm: FloatArray, optics: Optics, settings: VideoSettings) -> FloatArray:
    """Return the light of particles in the middle of the sheet, in electrons per frame.

    Scattering follows Mie, from a table on a grid of 1 % in diameter. A fluorescent label is taken to sit on the
    surface: proportional to the diameter squared.
    """
    if diameter_nm.size == 0:
        return np.zeros(0)
    if optics.fluorescence:
        return np.asarray(settings.reference_electrons * (diameter_nm / 100.0) ** 2)
    geometry = {
        "wavelength_nm": optics.wavelength_nm,
        "medium_index": optics.refractive_index_medium,
        "numerical_aperture": optics.numerical_aperture,
    }
    low, high = float(diameter_nm.min()), float(diameter_nm.max())
    grid = np.geomspace(low * 0.99, high * 1.01, max(2, int(np.log(high / low) / 0.01) + 3))
    table = collected_cross_section_nm2(grid, settings.material, **geometry)
    reference = collected_cross_section_nm2(100.0, POLYSTYRENE, **geometry)[0]
    log_table = np.interp(np.log(diameter_nm), np.log(grid), np.log(np.maximum(table, 1e-300)))
    return np.asarray(settings.reference_electrons * np.exp(log_table) / reference)


def _move(box: _Box, time_s: float, drift_um_per_s: FloatArray, rng: np.random.Generator) -> None:
    spread = np.sqrt(2 * box.diffusion_um2_per_s * time_s)[:, None]
    box.position_um = box.position_um + drift_um_per_s * time_s + spread * rng.standard_normal(box.position_um.shape)


def _wrap(box: _Box) -> None:
    """Let particles that leave the box come in on the other side, as new ones: those before and after never met."""
    low = np.array([0.0, 0.0, -box.size_um[2] / 2])
    turns = np.floor((box.position_um - low) / box.size_um)
    gone = np.any(turns != 0, axis=1)
    box.position_um = box.position_um - turns * box.size_um
    count = int(gone.sum())
    box.identity = box.identity.copy()
    box.identity[gone] = np.arange(box.next_identity, box.next_identity + count)
    box.next_identity += count


def _sheet(z_um: FloatArray, optics: Optics) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (z_um / optics.sheet_sigma_um) ** 2))


def _background(optics: Optics, settings: VideoSettings, rng: np.random.Generator) -> FloatArray:
    ramp = 1 + settings.background_gradient * (np.arange(optics.width_px) / max(optics.width_px - 1, 1) - 0.5)
    image = np.tile(settings.background_electrons * ramp, (optics.height_px, 1))
    y, x = np.mgrid[: optics.height_px, : optics.width_px]
    for _ in range(settings.stray_spots):
        cx, cy = rng.random(2) * (optics.width_px, optics.height_px)
        sigma = optics.psf_sigma_um / optics.um_per_px * rng.uniform(1, 3)
        image += settings.reference_electrons * 0.1 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))
    return np.ascontiguousarray(image)


def _noise_sd(optics: Optics, settings: VideoSettings) -> float:
    """SD of a dark pixel in electrons: shot noise, read noise and rounding to whole counts."""
    rounding = optics.gain_electrons_per_count**2 / 12
    return float(np.sqrt(settings.background_electrons + optics.read_noise_electrons**2 + rounding))


def _exposed(image: FloatArray, optics: Optics, rng: np.random.Generator) -> Frame:
    electrons = _shot_noise(image, rng)
    electrons += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(optics.read_noise_electrons)
    np.minimum(electrons, optics.full_well_electrons, out=electrons)
    counts = np.rint(electrons / optics.gain_electrons_per_count + optics.offset_counts)
    clipped = np.clip(counts, 0, 2**optics.bit_depth - 1)
    return clipped.astype(np.uint8) if optics.bit_depth == 8 else clipped.astype(np.uint16)


def _shot_noise(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    return rng.poisson(image).astype(np.float64)


@numba.njit(cache=True, nogil=True)
def _render(  # noqa: PLR0913, PLR0917 - a compiled kernel takes arrays, not records
    image: FloatArray,
    path_px: FloatArray,
    defocus_um: FloatArray,
    electrons: FloatArray,
    table: FloatArray,
    dz_um: float,
    radius_px: IntArray,
    sheet: FloatArray,
) -> None:
    height, width = image.shape
    last_z = table.shape[0] - 1
    for p in range(path_px.shape[0]):
        for s in range(path_px.shape[1]):
            light = electrons[p] * sheet[p, s] / path_px.shape[1]
            place = defocus_um[p, s] / dz_um
            low_z = min(int(place), last_z - 1)
            share_z = min(place - low_z, 1.0)
            # What stays under a hundredth of an electron at its brightest pixel is not worth drawing.
            if light * table[low_z, 0] < 0.002 and light * table[low_z, :].max() < 0.002:
                continue
            cx, cy = path_px[p, s, 0], path_px[p, s, 1]
            reach = radius_px[low_z]
            for iy in range(max(0, int(cy) - reach), min(height, int(cy) + reach + 2)):
                for ix in range(max(0, int(cx) - reach), min(width, int(cx) + reach + 2)):
                    r = np.sqrt((ix - cx) ** 2 + (iy - cy) ** 2)
                    if r > reach:
                        continue
                    cell = r * STEPS_PER_PX
                    low_r = int(cell)
                    share = cell - low_r
                    near = table[low_z, low_r] * (1 - share) + table[low_z, low_r + 1] * share
                    far = table[low_z + 1, low_r] * (1 - share) + table[low_z + 1, low_r + 1] * share
                    image[iy, ix] += light * (near * (1 - share_z) + far * share_z)
