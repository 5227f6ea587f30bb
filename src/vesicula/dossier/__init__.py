"""Assessment in; HTML, JSON, Parquet and RO-Crate out. Knows core and figures only."""
