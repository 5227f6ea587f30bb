"""Events of a network while it is simulated: which triggers turned true, what is due, what is set."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vesicula.biogenesis.model import Event
from vesicula.biogenesis.system import Code, System
from vesicula.biogenesis.vm import STACK
from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray

MOST_AT_ONCE = 10_000  # events at one instant, after which a model is taken to chase itself


@dataclass(frozen=True, slots=True, eq=False)
class _Compiled:
    event: Event
    trigger: Code
    delay: Code | None
    priority: Code | None
    targets: tuple[int, ...]
    formulae: tuple[Code, ...]


def compile_events(system: System) -> tuple[_Compiled, ...]:
    """Compile the events of a system once, for any number of runs.

    Parameters
    ----------
    system : System
        The model.

    Returns
    -------
    tuple
        To be handed to `Agenda`.
    """
    return tuple(
        _Compiled(
            e,
            system.compile(e.trigger),
            None if e.delay is None else system.compile(e.delay),
            None if e.priority is None else system.compile(e.priority),
            tuple(system.slots[name] for name, _ in e.assignments),
            tuple(system.compile(expr) for _, expr in e.assignments),
        )
        for e in system.network.events
    )


@dataclass(slots=True, eq=False)
class _Due:
    index: int
    time: float
    order: int
    values: list[float] | None


@dataclass(slots=True, eq=False)
class Agenda:
    """The events of one run.

    Parameters
    ----------
    system : System
        The model.
    compiled : tuple
        From `compile_events`.
    """

    system: System
    compiled: tuple[_Compiled, ...]
    _true: list[bool] = field(init=False, default_factory=list)
    _due: list[_Due] = field(init=False, default_factory=list)
    _order: int = 0
    _stack: FloatArray = field(init=False, default_factory=lambda: np.zeros(STACK))

    def begin(self, values: FloatArray) -> None:
        """Take the state at time zero; events that start false and are true fire there."""
        self._true = [c.event.initially_true for c in self.compiled]
        self.settle(values)

    def triggers(self, values: FloatArray) -> list[bool]:
        """Return which triggers hold; runs the rules first."""
        self.system.rules.run(values, self._stack)
        return [self.system.value(c.trigger, values, self._stack) != 0.0 for c in self.compiled]

    def would_fire(self, values: FloatArray) -> bool:
        """Return whether any trigger that was false is true now."""
        return any(now and not before for now, before in zip(self.triggers(values), self._true, strict=True))

    def turns_false(self, values: FloatArray) -> bool:
        """Return whether any trigger that was true is false now."""
        return any(before and not now for now, before in zip(self.triggers(values), self._true, strict=True))

    @property
    def held(self) -> tuple[bool, ...]:
        """Which triggers held when last looked at."""
        return tuple(self._true)

    @property
    def next_time(self) -> float:
        """When the next delayed event is due; infinity for never."""
        return min((d.time for d in self._due), default=math.inf)

    def settle(self, values: FloatArray) -> None:
        """Note triggers at this instant and execute all that is due, until nothing more happens.

        Raises
        ------
        AnalysisError
            When events trigger each other without end.
        """
        time = float(values[0])
        self._note(values, time)
        for _ in range(MOST_AT_ONCE):
            ready = [d for d in self._due if d.time <= time]
            if not ready:
                return
            chosen = max(ready, key=lambda d: (self._priority(d, values), -d.time, -d.order))
            self._due.remove(chosen)
            self._execute(chosen, values)
            self._note(values, time)
        raise AnalysisError(f"{self.system.network.name}: events trigger each other without end at time {time:g}")

    def _priority(self, due: _Due, values: FloatArray) -> float:
        code = self.compiled[due.index].priority
        return -math.inf if code is None else self.system.value(code, values, self._stack)

    def _note(self, values: FloatArray, time: float) -> None:
        now = self.triggers(values)
        for i, (item, held, holds) in enumerate(zip(self.compiled, self._true, now, strict=True)):
            if holds and not held:
                delay = 0.0 if item.delay is None else self.system.value(item.delay, values, self._stack)
                kept = self._assigned(item, values) if item.event.values_at_trigger else None
                self._due.append(_Due(i, time + delay, self._order, kept))
                self._order += 1
            if held and not holds and not item.event.persistent:
                self._due = [d for d in self._due if d.index != i]
        self._true = now

    def _assigned(self, item: _Compiled, values: FloatArray) -> list[float]:
        return [self.system.value(code, values, self._stack) for code in item.formulae]

    def _execute(self, due: _Due, values: FloatArray) -> None:
        item = self.compiled[due.index]
        found = due.values if due.values is not None else self._assigned(item, values)
        for slot, value in zip(item.targets, found, strict=True):
            values[slot] = value
        self.system.rules.run(values, self._stack)
