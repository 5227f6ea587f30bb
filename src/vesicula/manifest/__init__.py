"""study.yaml: written by init, checked with line numbers, loaded."""
