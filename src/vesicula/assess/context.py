"""What all findings about one thing share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vesicula.core.estimate import Estimate
from vesicula.core.finding import Citation, Criterion, Finding, InputRef, MethodRef, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a finding is about, and what it rests on.

    Parameters
    ----------
    batch, sample, replicate, capture : str
        Its place; empty below its level.
    version : str
        Version of vesicula.
    inputs : tuple of InputRef
        Files.
    """

    batch: str
    sample: str
    version: str
    replicate: str = ""
    capture: str = ""
    inputs: tuple[InputRef, ...] = ()

    def method(
        self, name: str, parameters: Mapping[str, float | int | str | bool], citation: Citation | None = None
    ) -> MethodRef:
        """Name a method with all its parameters."""
        return MethodRef(name=name, version=self.version, parameters=dict(parameters), citation=citation)

    def finding(  # noqa: PLR0913 - the fields of a Finding, less those of the context
        self,
        topic: str,
        key: str,
        title: str,
        statement: str,
        verdict: Verdict,
        *,
        headline: bool = False,
        estimate: Estimate | None = None,
        vendor_value: float | None = None,
        criterion: Criterion | None = None,
        method: MethodRef | None = None,
        citations: tuple[Citation, ...] = (),
    ) -> Finding:
        """Make a finding about this context; its id is the path of names down to `key`."""
        path = (self.batch, self.sample, self.replicate, self.capture, topic, key)
        return Finding(
            id="/".join([p for p in path if p]),
            batch=self.batch,
            sample=self.sample,
            replicate=self.replicate,
            capture=self.capture,
            topic=topic,
            title=title,
            statement=statement,
            verdict=verdict,
            headline=headline,
            estimate=estimate,
            vendor_value=vendor_value,
            criterion=criterion,
            inputs=self.inputs,
            method=method,
            citations=citations,
        )
