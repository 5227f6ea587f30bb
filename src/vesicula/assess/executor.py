"""The one seam through which work over many batches goes: in this process, over processes, or over a Dask cluster."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from vesicula.core.errors import AnalysisError

Task = TypeVar("Task")
Result = TypeVar("Result")

SERIAL_LIMIT = 8
"""So few tasks finish sooner in this process than a second Python takes to start."""

CHUNK = 8
"""Tasks per message to a worker: large enough to hide the cost of a message, small enough to share evenly."""


def available_cpus() -> int:
    """Return the number of processors this process may use.

    Returns
    -------
    int
        At least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def run_tasks(
    work: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int | None = None, cluster: str | None = None
) -> Iterator[tuple[int, Result]]:
    """Apply a function to each task and yield results as they come.

    Parameters
    ----------
    work : callable
        A module-level function. It must not raise for reasons that lie in the data.
    tasks : sequence
        Picklable inputs.
    workers : int, optional
        Number of processes, this one included; by default one per available processor, or this one alone for a
        handful of tasks.
    cluster : str, optional
        Address of a Dask scheduler, such as ``"tcp://10.0.0.5:8786"``. Its workers must see the study folder
        under the same path.

    Yields
    ------
    tuple of (int, object)
        Index of the task and its result, in the order of completion.

    Raises
    ------
    AnalysisError
        When `workers` is not positive or the cluster cannot be reached.
    """
    if workers is not None and workers < 1:
        raise AnalysisError(f"the number of worker processes must be at least 1, not {workers}")
    if cluster is not None:
        yield from _on_cluster(work, tasks, cluster)
        return
    count = workers if workers is not None else (1 if len(tasks) <= SERIAL_LIMIT else available_cpus())
    if min(count, len(tasks)) <= 1:
        for index, task in enumerate(tasks):
            yield index, work(task)
        return
    yield from _on_processes(work, tasks, min(count, len(tasks)))


def _chunks(n: int, size: int) -> list[range]:
    return [range(start, min(start + size, n)) for start in range(0, n, size)]


def _work_chunk(work: Callable[[Task], Result], tasks: list[Task]) -> list[Result]:
    return [work(task) for task in tasks]


def _on_processes(work: Callable[[Task], Result], tasks: Sequence[Task], count: int) -> Iterator[tuple[int, Result]]:
    """Share tasks between this process and `count` - 1 others.

    This process works, too: it has everything imported, and is through with a hundred tasks before a second Python is
    ready for its first.
    """
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool

    # Not "fork": Polars' threads do not survive it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count - 1, mp_context=context, initializer=_ignore_interrupt)
    left = deque(range(len(tasks)))
    running: dict[Future[list[Result]], list[int]] = {}

    def submit() -> None:
        # Only a few chunks wait at a time, so that the queue stays small whatever the number of tasks, and the chunks
        # shrink towards the end, so that all finish together.
        while left and len(running) < 2 * (count - 1):
            size = max(1, min(CHUNK, len(left) // (2 * count)))
            chunk = [left.popleft() for _ in range(min(size, len(left)))]
            running[pool.submit(_work_chunk, work, [tasks[i] for i in chunk])] = chunk

    try:
        with _one_thread_each():
            submit()
        while running or left:
            for future in wait(running, timeout=0 if left else None, return_when=FIRST_COMPLETED).done:
                yield from zip(running.pop(future), future.result(), strict=True)
            submit()
            if left:
                own = left.popleft()
                yield own, work(tasks[own])
    except BrokenProcessPool as error:
        raise AnalysisError(
            "a worker process was killed, most likely for want of memory. Finished batches are kept: run again, with "
            "--workers 1 if it happens twice."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the parent: it lets running tasks finish and says what is kept."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start meanwhile keep to one thread: the batches are the parallelism.

    Set here, since numerical libraries start their threads on import, before any code of ours runs in a new process.
    """
    names = [n for n in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if n not in os.environ]
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


def _on_cluster(work: Callable[[Task], Result], tasks: Sequence[Task], address: str) -> Iterator[tuple[int, Result]]:
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise AnalysisError("a cluster needs Dask: install vesicula[cluster]") from error
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise AnalysisError(f"no Dask scheduler answers at {address}: {error}. Check the address and port.") from error
    try:
        futures = {
            client.submit(_work_chunk, work, [tasks[i] for i in chunk], pure=False): chunk
            for chunk in _chunks(len(tasks), CHUNK)
        }
        for future in as_completed(list(futures), loop=client.loop):
            yield from zip(futures[future], future.result(), strict=True)
            future.release()
    finally:
        client.close()
