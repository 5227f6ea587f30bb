"""vesicula read."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vesicula.instruments.export import measurement_json, measurement_text, write_csv, write_json, write_parquet
from vesicula.instruments.registry import read as read_file


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--reader", help="Use this reader, whatever the content looks like.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write everything as JSON (- for standard output).",
)
@click.option(
    "--csv",
    "csv_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each table as CSV into this folder.",
)
@click.option(
    "--parquet",
    "parquet_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each table as Parquet into this folder.",
)
def read(
    file: Path, reader: str | None, json_path: Path | None, csv_folder: Path | None, parquet_folder: Path | None
) -> None:
    """Show what is in an instrument file; write it as JSON, CSV or Parquet."""
    measurement = read_file(file, reader=reader)
    if json_path is not None:
        if str(json_path) == "-":
            sys.stdout.buffer.write(measurement_json(measurement) + b"\n")
            return
        write_json(measurement, json_path)
        click.echo(f"Wrote {json_path}")
    written = write_csv(measurement, csv_folder) if csv_folder is not None else []
    written += write_parquet(measurement, parquet_folder) if parquet_folder is not None else []
    for path in written:
        click.echo(f"Wrote {path}")
    if json_path is None and csv_folder is None and parquet_folder is None:
        click.echo(measurement_text(measurement))
