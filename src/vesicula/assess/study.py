"""A study folder: its manifest, and the analysis of its batches."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vesicula._version import __version__
from vesicula.assess.batch import BatchTask, TaskOutcome, run_batch
from vesicula.assess.cargo import CargoResult, assess_cargo, load_targets
from vesicula.assess.executor import run_tasks
from vesicula.assess.store import ResultStore, StoredBatches
from vesicula.core.assessment import Assessment
from vesicula.core.errors import AnalysisError
from vesicula.core.notebook import table_html
from vesicula.core.placement import EvidencePlacement, PlacedStatement
from vesicula.core.study import Batch, Manifest
from vesicula.instruments.nta.infer import StatisticsSettings
from vesicula.manifest.load import load_manifest

Progress = Callable[[int, int, TaskOutcome], None]


NO_STORE = "none"
NOT_ASKED = "not asked"
"""Version recorded where no batch states anything that the store could be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSettings:
    """Which literature a batch is placed beside.

    Parameters
    ----------
    store : str or None
        File or URL of an evidence store; None for the user's own, or the packaged tables where there is none;
        ``"none"`` to leave the literature out.
    as_of : str or None
        A past version of the store, by name or number; None for the present one.
    """

    store: str | None = None
    as_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """Everything that changes the findings, apart from the data.

    Parameters
    ----------
    statistics : StatisticsSettings
        Settings of the NTA statistics.
    evidence : EvidenceSettings
        The evidence store.
    """

    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)

    def parameters(self) -> dict[str, Any]:
        """Return the settings as plain values, for provenance; of the store its version alone, not where it lies."""
        version = NO_STORE if self.evidence.store == NO_STORE else self.evidence.as_of or "automatic"
        return {"nta": self.statistics.parameters(), "evidence": {"store_version": version}}

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> AnalysisSettings:
        """Return the settings that `parameters` was called on.

        Parameters
        ----------
        parameters : dict
            As `parameters` gives it, or as a dossier records it.

        Returns
        -------
        AnalysisSettings
            Equal to the original.

        Raises
        ------
        AnalysisError
            When a name or value is not one of this version.
        """
        values: dict[str, Any] = {k: None if v == "automatic" else v for k, v in parameters.get("nta", {}).items()}
        version = parameters.get("evidence", {}).get("store_version", NO_STORE)
        evidence = (
            EvidenceSettings(store=NO_STORE)
            if version == NO_STORE
            else EvidenceSettings(as_of=None if version in ("automatic", NOT_ASKED) else str(version))
        )
        try:
            return cls(statistics=StatisticsSettings(**values), evidence=evidence)
        except TypeError as error:
            raise AnalysisError(
                f"the recorded parameters are not those of this version of vesicula: {error}"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A folder of instrument files with a manifest.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder; all paths of the manifest are relative to it.
    manifest : Manifest
        What study.yaml states.
    manifest_path : pathlib.Path
        study.yaml itself.
    manifest_sha256 : str
        Hash of its bytes.
    """

    folder: Path
    manifest: Manifest
    manifest_path: Path
    manifest_sha256: str

    @classmethod
    def load(cls, folder: Path | str) -> Study:
        """Load a study.

        Parameters
        ----------
        folder : pathlib.Path or str
            The study folder, or its study.yaml.

        Returns
        -------
        Study
            With a checked manifest. The instrument files are not read yet; one that is missing will be a
            finding of its batch.

        Raises
        ------
        ManifestError
            When study.yaml is missing or does not hold together; names every line concerned.
        """
        manifest, source = load_manifest(Path(folder), tolerate_missing=True)
        return cls(
            folder=source.folder,
            manifest=manifest,
            manifest_path=source.path,
            manifest_sha256=source.sha256,
        )

    def analyse(
        self,
        *,
        settings: AnalysisSettings | None = None,
        workers: int | None = None,
        cluster: str | None = None,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> Assessment:
        """Analyse every batch.

        Finished batches are kept in the work folder, so that a stopped analysis resumes where it stood; a
        result is used again only if its files, description, settings and the program are unchanged.

        Parameters
        ----------
        settings : AnalysisSettings, optional
            Defaults are documented with each method.
        workers : int, optional
            Number of processes; by default one per processor, or none for a handful of batches.
        cluster : str, optional
            Address of a Dask scheduler instead.
        work : pathlib.Path, optional
            Folder for intermediate results; by default ``.vesicula`` in the study folder, or a temporary
            folder when that cannot be written.
        progress : callable, optional
            Called after each batch with the number done, the number in all, and what became of it.

        Returns
        -------
        Assessment
            Findings of every batch; a file that could not be read is a finding, never an exception.

        Raises
        ------
        AnalysisError
            When no file is listed at all, the cluster cannot be reached, or results cannot be stored.
        """
        if not set(self.manifest.files) - {self.manifest.mirna_targets}:
            raise AnalysisError(
                f"{self.manifest_path}: lists no file to analyse. Put instrument exports into the folder and "
                "list them, or write study.yaml anew with 'vesicula init --overwrite'."
            )
        settings = settings or AnalysisSettings()
        store = ResultStore(folder=(work or self._work_folder()) / "results")
        placements, version = place_batches(self.manifest.batches, settings.evidence)
        cargos, version = cargo_of_batches(
            self.folder, self.manifest.batches, settings.evidence, version, targets=self.manifest.mirna_targets
        )
        tasks = [
            BatchTask(
                folder=self.folder,
                batch=batch,
                criteria=self.manifest.criteria,
                settings=settings.statistics,
                store=store,
                evidence=placement,
                evidence_sha256=digest,
                cargo=cargo,
            )
            for batch, (placement, digest), cargo in zip(self.manifest.batches, placements, cargos, strict=True)
        ]
        keys = [""] * len(tasks)
        for done, (index, outcome) in enumerate(run_tasks(run_batch, tasks, workers=workers, cluster=cluster), 1):
            keys[index] = outcome.key
            if progress is not None:
                progress(done, len(tasks), outcome)
        return Assessment(
            title=self.manifest.study.title,
            study=self.manifest.study.model_dump(mode="json", exclude_none=True),
            software=f"vesicula {__version__}",
            environment=environment(),
            parameters=replace(settings, evidence=replace(settings.evidence, as_of=version)).parameters(),
            manifest_sha256=self.manifest_sha256,
            batches=StoredBatches(store, tuple(keys)),
        )

    def _work_folder(self) -> Path:
        if os.access(self.folder, os.W_OK):
            return self.folder / ".vesicula"
        return Path(tempfile.mkdtemp(prefix="vesicula-"))

    def _repr_html_(self) -> str:
        rows = [
            (
                b.id,
                b.cell_source.tissue or "not stated",
                len(b.samples),
                sum(len(m.files) for s in b.samples for m in s.measurements),
            )
            for b in self.manifest.batches
        ]
        caption = f"{self.manifest.study.title} ({self.folder})"
        return table_html(("Batch", "Cell source", "Samples", "Files"), rows, caption=caption)


def place_batches(
    batches: Sequence[Batch], settings: EvidenceSettings
) -> tuple[list[tuple[EvidencePlacement | None, str]], str]:
    """Place batches beside the evidence store, which is opened only if a batch states what it can be asked for.

    Parameters
    ----------
    batches : sequence of Batch
        From the manifest.
    settings : EvidenceSettings
        Which store.

    Returns
    -------
    tuple of (list of tuple, str)
        For each batch its placement and a hash of it, and the store's version.

    Raises
    ------
    VesiculaError
        When the store cannot be read, or does not hold the version asked for.
    """
    if settings.store == NO_STORE:
        return [(None, "")] * len(batches), NO_STORE
    if not any(b.cell_source.tissue or b.indication or b.cargo for b in batches):
        return [(NOTHING_STATED, NOT_ASKED)] * len(batches), NOT_ASKED
    # Opening a database takes longer than reading a small study: only here.
    from vesicula.assess.evidence_place import open_evidence

    with open_evidence(settings.store, settings.as_of) as placer:
        asks = [bool(b.cell_source.tissue or b.indication or b.cargo) for b in batches]
        placed = [placer.place(b) if ask else (NOTHING_STATED, NOT_ASKED) for b, ask in zip(batches, asks, strict=True)]
        return list(placed), placer.version


def cargo_of_batches(
    folder: Path, batches: Sequence[Batch], settings: EvidenceSettings, version: str, *, targets: str | None = None
) -> tuple[list[CargoResult], str]:
    """Analyse the batches' cargo tables, and look their molecules up in the evidence store.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    batches : sequence of Batch
        From the manifest.
    settings : EvidenceSettings
        Which store.
    version : str
        Of the store as `place_batches` found it.
    targets : str, optional
        The study's table of miRNA targets, relative to the folder; read once.

    Returns
    -------
    tuple of (list of CargoResult, str)
        One for each batch, empty where it lists no table; and the store's version.

    Raises
    ------
    VesiculaError
        When the store cannot be read, or does not hold the version asked for.
    """
    if not any(b.cargo_tables for b in batches):
        return [CargoResult()] * len(batches), version
    aimed = load_targets(folder, targets) if targets is not None else None
    if settings.store == NO_STORE:
        return [assess_cargo(folder, b, None, targets=aimed) for b in batches], version
    from vesicula.assess.evidence_place import open_evidence

    with open_evidence(settings.store, settings.as_of) as placer:
        found = [assess_cargo(folder, b, placer.store, as_of=placer.version, targets=aimed) for b in batches]
        return found, placer.version


_NOTHING = (
    "The manifest states no cell source, indication or cargo of this batch, so that nothing of the literature can be "
    "placed beside it."
)
NOTHING_STATED = EvidencePlacement(
    store_version="",
    source="",
    lead=_NOTHING,
    statements=(PlacedStatement(key="none", title="Nothing to compare with", text=_NOTHING),),
)


def environment() -> dict[str, str]:
    """Return the versions of what the numbers depend on.

    Returns
    -------
    dict of str to str
        Python, platform, and libraries.
    """
    names: Sequence[str] = ("numpy", "scipy", "polars", "msgspec", "pydantic")
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in names},
    }
