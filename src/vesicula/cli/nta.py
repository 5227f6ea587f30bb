"""vesicula nta VIDEO, vesicula nta simulate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vesicula.cli.progress import Progress

if TYPE_CHECKING:
    from vesicula.instruments.nta.video.analyse import VideoAnalysis
    from vesicula.instruments.nta.video.model import Frame, Optics
    from vesicula.instruments.nta.video.simulate import SimulatedMovie


class _DefaultGroup(click.Group):
    """A group whose first word may be left out: what is no command is a video to analyse."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``analyse`` before anything that is neither a command nor a call for help."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["analyse", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DefaultGroup, subcommand_metavar="VIDEO|COMMAND [OPTIONS]")
def nta() -> None:
    """Track nanoparticles in a raw video: sizes, concentration, and a page.

    `vesicula nta VIDEO --preset nanosight-like` is short for `vesicula nta analyse VIDEO ...`.
    """


PRESET_HELP = "nanosight-like, zetaview-like, or a YAML file of your instrument."


def _instrument_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add what every analysis asks for."""
    for option in reversed((
        click.option("--preset", required=True, help=PRESET_HELP),
        click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder (NAME-nta)."),
        click.option("--frame-rate", type=float, help="Frames per second, believed before the file's."),
        click.option("--um-per-px", type=float, help="Size of a pixel in the sample."),
        click.option("--temperature", type=float, help="Of the medium, in degrees Celsius; give --viscosity with it."),
        click.option("--viscosity", type=float, help="Of the medium, in mPa s."),
        click.option("--exposure", type=float, help="Time the shutter is open, in seconds."),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For the intervals."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option("--overwrite", is_flag=True, help="Replace an earlier result in the folder."),
    )):  # fmt: skip
        command = option(command)
    return command


def _optics(preset: str, given: dict[str, float | None]) -> Optics:
    """Return the instrument with the user's changes."""
    from vesicula.core.errors import SettingsError
    from vesicula.instruments.nta.video.optics import load_optics

    if given["temperature_c"] is not None and given["viscosity_mpa_s"] is None:
        raise SettingsError("--temperature changes the viscosity: give --viscosity (mPa s) at that temperature too.")
    return load_optics(preset, **{k: v for k, v in given.items() if v is not None})


@nta.command()
@click.argument("video", type=click.Path(exists=True, path_type=Path))
@_instrument_options
@click.option("--dilution", type=click.FloatRange(min=1e-9), default=1.0, help="From sample to cell (default: 1).")
@click.option("--dark", is_flag=True, help="Particles are darker than the ground (bright-field).")
def analyse(  # noqa: PLR0913 - one argument per option
    video: Path, preset: str, out: Path | None, *, frame_rate: float | None, um_per_px: float | None,
    temperature: float | None, viscosity: float | None, exposure: float | None, dilution: float, seed: int,
    as_json: bool, overwrite: bool, dark: bool,
) -> int:  # fmt: skip
    """Analyse a video and write its page.

    Exit code 3: the video was read, but gives no measurement; the page says why.
    """
    import numpy as np

    from vesicula.core.finding import InputRef
    from vesicula.dossier.inputs import sha256_of
    from vesicula.dossier.nta_video.page import check_place
    from vesicula.instruments.nta.video.analyse import AnalysisVideoSettings, analyse_video
    from vesicula.instruments.nta.video.detect import DetectSettings
    from vesicula.instruments.nta.video.movie import open_movie

    optics = _optics(preset, {
        "frame_rate_per_s": frame_rate, "um_per_px": um_per_px, "temperature_c": temperature,
        "viscosity_mpa_s": viscosity, "exposure_s": exposure,
    })  # fmt: skip
    place = out or video.with_name(f"{video.stem}-nta")
    check_place(place, overwrite=overwrite)
    movie = open_movie(video)
    inputs = (InputRef(path=video.name, sha256=sha256_of(video)),) if video.is_file() else ()
    progress = Progress("frames")
    settings = AnalysisVideoSettings(
        dilution=dilution, rate_given=frame_rate is not None,
        detect=DetectSettings(polarity="dark" if dark else "bright"),
    )  # fmt: skip
    found = analyse_video(movie, optics, settings, np.random.default_rng(seed), progress.tell, inputs=inputs)
    progress.close()
    return _deliver(found, place, as_json=as_json, overwrite=overwrite)


@nta.command()
@click.argument("export", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_instrument_options
@click.option("--width", type=click.IntRange(16, 8192), help="Of a frame, in pixels (not in the export).")
@click.option("--height", type=click.IntRange(16, 8192), help="Of a frame, in pixels (not in the export).")
def tracks(  # noqa: PLR0913 - one argument per option
    export: Path, preset: str, out: Path | None, *, frame_rate: float | None, um_per_px: float | None,
    temperature: float | None, viscosity: float | None, exposure: float | None, seed: int, as_json: bool,
    overwrite: bool, width: int | None, height: int | None,
) -> int:  # fmt: skip
    """Analyse the tracks that a NanoSight exported (AllTracks.csv): sizes and motion, no concentration.

    The export holds no scale: give --um-per-px, --frame-rate and --exposure as the experiment summary states them.
    """
    import numpy as np

    from vesicula.core.errors import UnreadableFile
    from vesicula.core.finding import InputRef
    from vesicula.core.measurement import TableMeasurement
    from vesicula.dossier.inputs import sha256_of
    from vesicula.dossier.nta_video.page import check_place
    from vesicula.instruments.nta.video.analyse import AnalysisVideoSettings, analyse_tracks
    from vesicula.instruments.nta.video.exported import tracks_from_alltracks
    from vesicula.instruments.registry import read

    optics = _optics(preset, {
        "frame_rate_per_s": frame_rate, "um_per_px": um_per_px, "temperature_c": temperature,
        "viscosity_mpa_s": viscosity, "exposure_s": exposure, "width_px": width, "height_px": height,
    })  # fmt: skip
    place = out or export.with_name(f"{export.stem}-nta")
    check_place(place, overwrite=overwrite)
    measured = read(export)
    if not isinstance(measured, TableMeasurement):
        raise UnreadableFile(
            export, where="whole file", expected="the points of tracks (AllTracks)", found="a size distribution",
            remedy="Export AllTracks from the NanoSight software.",
        )  # fmt: skip
    points = tracks_from_alltracks(measured, optics)
    progress = Progress("frames")
    result = analyse_tracks(
        points, optics, AnalysisVideoSettings(rate_given=True),
        np.random.default_rng(seed), progress.tell, name=export.name,
        inputs=(InputRef(path=export.name, sha256=sha256_of(export)),),
    )  # fmt: skip
    progress.close()
    return _deliver(result, place, as_json=as_json, overwrite=overwrite)


def _deliver(found: VideoAnalysis, place: Path, *, as_json: bool, overwrite: bool) -> int:
    """Write the page, print the result, return the exit code."""
    from vesicula.dossier.nta_video.page import result_json, write_video_page

    page = write_video_page(found, place, overwrite=overwrite)
    if as_json:
        click.echo(result_json(found), nl=False)
    else:
        _print(found)
    click.echo(f"Page: {page}", err=as_json)
    return 0 if found.verdict.measured else 3


def _print(found: VideoAnalysis) -> None:
    from vesicula.core.format import format_estimate
    from vesicula.instruments.nta.video.analyse import NAMES

    click.echo(_plain(found.verdict.headline))
    for reason in found.verdict.refusals:
        click.echo(f"  {_plain(reason.reason)} {_plain(reason.remedy)}")
    for estimate in found.estimates:
        click.echo(f"  {NAMES.get(estimate.quantity, estimate.quantity):<16} {format_estimate(estimate)}")
    if found.verdict.measured and found.verdict.remarks:
        click.echo(f"  Remarks: {', '.join(found.verdict.remarks)}. The page explains them.")


def _plain(text: str) -> str:
    """Keep a file's name from sending control sequences to the terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


@nta.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--preset", required=True, help=PRESET_HELP)
@click.option("--median-nm", type=click.FloatRange(10, 1000), default=100.0, show_default=True, help="Of diameters.")
@click.option("--gsd", type=click.FloatRange(1.001, 5), default=1.3, show_default=True, help="Geometric SD.")
@click.option("--per-ml", type=click.FloatRange(1, 1e13), default=5e8, show_default=True, help="Particles in the cell.")
@click.option("--duration", type=click.FloatRange(0.01, 3600), default=30.0, show_default=True, help="In seconds.")
@click.option("--width", type=click.IntRange(16, 8192), help="Of a frame, in pixels.")
@click.option("--height", type=click.IntRange(16, 8192), help="Of a frame, in pixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Makes the movie.")
def simulate(  # noqa: PLR0913 - one argument per option
    out: Path, preset: str, *, median_nm: float, gsd: float, per_ml: float, duration: float, width: int | None,
    height: int | None, seed: int,
) -> int:  # fmt: skip
    """Write a simulated video, OUT.tif or OUT.avi (lossless), and its truth, OUT.truth.parquet."""
    import numpy as np

    from vesicula.core.errors import SettingsError
    from vesicula.core.population import lognormal_population
    from vesicula.instruments.nta.video.optics import load_optics
    from vesicula.instruments.nta.video.simulate import VideoSettings, simulate_video

    kind = out.suffix.lower()
    if kind not in (".tif", ".tiff", ".avi"):
        raise SettingsError(f"{out}: give a name that ends in .tif or .avi.")
    truth = out.with_name(f"{out.stem}.truth.parquet")
    for place in (out, truth):
        if place.exists():
            raise SettingsError(f"{place}: is there already. Choose another name.")
    size = {k: v for k, v in (("width_px", width), ("height_px", height)) if v is not None}
    optics = load_optics(preset, **size)
    population = lognormal_population(median_nm=(median_nm,), geometric_sd=(gsd,), concentration_per_ml=(per_ml,))
    movie = simulate_video(population, optics, VideoSettings(duration_s=duration), np.random.default_rng(seed))
    if kind == ".avi" and optics.bit_depth != 8:
        raise SettingsError(f"{out}: AVI is written with 8 bits, the instrument has {optics.bit_depth}. Give .tif.")
    _write_whole(out, truth, movie)
    click.echo(f"{out}: {movie.frame_count} frames. Truth: {truth}")
    return 0


def _write_whole(out: Path, truth: Path, movie: SimulatedMovie) -> None:
    """Write both files beside their places, then rename: a stopped run leaves nothing behind."""
    import polars as pl

    from vesicula.core.errors import DossierError

    new = out.with_name(f".{out.stem}.vesicula-new{out.suffix}")
    new_truth = truth.with_name(f".{truth.name}.vesicula-new")
    progress = Progress("frames")
    try:
        (_write_avi if out.suffix.lower() == ".avi" else _write_tiff)(new, movie, progress)
        found = movie.truth()
        names = ("particle", "frame", "x_px", "y_px", "z_um", "diameter_nm", "electrons", "snr")
        pl.DataFrame({n: getattr(found, n) for n in names}).write_parquet(new_truth)
        new.rename(out)
        new_truth.rename(truth)
    except OSError as error:
        raise DossierError(f"{out}: cannot be written ({error.strerror or error}).") from error
    finally:
        new.unlink(missing_ok=True)
        new_truth.unlink(missing_ok=True)
        progress.close()


def _write_tiff(path: Path, movie: SimulatedMovie, progress: Progress) -> None:
    import tifffile

    # ImageJ's form carries the frame rate; it is limited to 4 GB.
    height, width = movie.shape
    depth = 1 if movie.optics.bit_depth == 8 else 2
    imagej = movie.frame_count * height * width * depth < 4_000_000_000

    def frames() -> Iterator[Frame]:
        for number, frame in enumerate(movie.frames(), 1):
            progress.tell("simulating", number, movie.frame_count)
            yield frame

    extra: dict[str, Any] = (
        {"imagej": True, "metadata": {"axes": "TYX", "finterval": 1 / movie.frame_rate_per_s, "tunit": "sec"}}
        if imagej
        else {"bigtiff": True, "photometric": "minisblack"}
    )
    tifffile.imwrite(
        path, frames(), shape=(movie.frame_count, height, width), dtype="uint8" if depth == 1 else "uint16", **extra
    )


def _write_avi(path: Path, movie: SimulatedMovie, progress: Progress) -> None:
    import av

    height, width = movie.shape
    with av.open(str(path), "w", format="avi") as container:
        stream: Any = container.add_stream("ffv1", rate=Fraction(movie.frame_rate_per_s).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "gray"
        for number, frame in enumerate(movie.frames(), 1):
            progress.tell("simulating", number, movie.frame_count)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
