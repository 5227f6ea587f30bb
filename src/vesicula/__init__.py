"""vesicula: from the raw files of an MSC-EV batch to a dossier one can defend."""
