"""vesicula read."""

from __future__ import annotations

from pathlib import Path

import click

from vesicula.instruments.export import measurement_json, measurement_text, write_csv, write_parquet
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
        data = measurement_json(measurement)
        if str(json_path) == "-":
            click.get_binary_stream("stdout").write(data + b"\n")
            return
        json_path.write_bytes(data + b"\n")
        click.echo(f"Wrote {json_path}")
    for folder, write in ((csv_folder, write_csv), (parquet_folder, write_parquet)):
        if folder is not None:
            for path in write(measurement, folder):
                click.echo(f"Wrote {path}")
    if json_path is None and csv_folder is None and parquet_folder is None:
        click.echo(measurement_text(measurement))
