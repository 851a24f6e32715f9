"""`synthesize` on Ray Data: batches go to actors that hold the models, on one machine or many.

Each batch is a block of its own, and an actor is given one at a time, so that none waits behind a slow
one. An actor that dies is started again and given its batch once more; the others go on meanwhile, and
results come in the order they are done. A batch that ends its actor again and again ends the run. This
process alone writes the store, so that workers need no shared disk, and a run that is started again asks
for missing rows only.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa

from .. import errors
from ..errors import InputError, MissingToolError, ResourceError, SynticError
from ..profiles import REPOSITORY
from .synthesis import Batch, Engine, RowMaker

logger = logging.getLogger(__name__)

START_ATTEMPTS = 3  # Ray gives its own processes 30 seconds to start, which a busy machine may not keep
TRIES = 3  # of a batch, and of a worker's start; machines that fail seldom hit the same one so often
_OURS = re.compile(rf"^{re.escape(errors.__name__)}\.(\w+): (.+)$", re.MULTILINE)
BATCH = "batch"  # number of a batch's first row; it travels with the rows and is not stored


@dataclass(frozen=True, kw_only=True)
class RaySettings:
    """How many workers there are and what each may use.

    Attributes:
        workers: actors; None takes one per GPU of the cluster, or one where it has none.
        gpus_per_worker: GPUs of each; None takes one where the cluster has any, else none.
        cpus_per_worker: cores of each.
        address: of a running cluster, "auto" for the one of this machine; None starts one here.
    """

    workers: int | None = None
    gpus_per_worker: float | None = None
    cpus_per_worker: float = 1
    address: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.workers is not None and self.workers < 1:
            raise InputError(f"`workers` must be at least 1 but is {self.workers}.")
        if self.cpus_per_worker < 0 or (self.gpus_per_worker or 0) < 0:
            raise InputError("`cpus_per_worker` and `gpus_per_worker` must not be negative.")


def ray_engine(load: Callable[[], RowMaker], settings: RaySettings) -> Engine:
    """Return an engine that works on Ray.

    Args:
        load: called once in each worker; it must be picklable.
        settings: workers and what they use.

    Raises:
        MissingToolError: if Ray is not installed.
        ResourceError: if the cluster cannot be reached or is too small.
    """
    ray = _import_ray()
    return lambda batches: _run(ray, load, settings, batches)


def _run(
    ray: Any, load: Callable[[], RowMaker], settings: RaySettings, batches: list[Batch]
) -> Iterator[tuple[range, pa.Table]]:
    started = not ray.is_initialized()
    if started:
        _connect(ray, settings)
    try:
        workers, gpus = _share(ray.cluster_resources(), settings)
        logger.info("%d workers on Ray, each with %g GPUs", workers, gpus)
        workers = min(workers, len(batches))
        items = [{"start": batch.rows.start, "captions": batch.captions} for batch in batches]
        dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Worker,
            fn_constructor_args=(load, _start_tries(ray), TRIES, TRIES * workers),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            num_cpus=settings.cpus_per_worker,
            num_gpus=gpus or None,
        )
        results = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
        with closing(results):  # where the run is stopped, its execution ends before Ray does
            for table in results:
                yield from _split(table)
    except ray.exceptions.RayError as error:
        raise _explain(error) from error
    finally:
        if started:
            ray.shutdown()


class _Tries:
    """An actor that counts, because Ray's own limits would not name what fails, and workers forget."""

    def __init__(self) -> None:
        self.loads = 0
        self.batches: Counter[int] = Counter()

    def load(self) -> int:
        """Return how often workers have begun to load the models since one of them began a batch."""
        self.loads += 1
        return self.loads

    def begin(self, start: int) -> int:
        """Return how often a batch was begun."""
        self.loads = 0
        self.batches[start] += 1
        return self.batches[start]


def _start_tries(ray: Any) -> Any:
    """Start the actor on the node of this process, whose end is that of the run anyway."""
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    return ray.remote(num_cpus=0, scheduling_strategy=here)(_Tries).remote()


class _Worker:
    """An actor: holds the models and makes one batch after the other.

    Args:
        load: returns the models.
        tries: handle of a `_Tries`.
        most_tries: of a batch.
        most_loads: by all workers, without a batch in between.
    """

    def __init__(self, load: Callable[[], RowMaker], tries: Any, most_tries: int, most_loads: int) -> None:
        from ..runtime import set_threads

        self.ray = _import_ray()
        self.tries, self.most_tries = tries, most_tries
        if self.ray.get(tries.load.remote()) > most_loads:
            raise ResourceError(
                f"Workers ended {most_loads} times while they loaded the models, perhaps for lack of memory; "
                "ask for fewer workers."
            )
        set_threads(None if "SYNTIC_THREADS" in os.environ else 1)
        self.maker = load()

    def __call__(self, batch: pa.Table) -> pa.Table:
        start = batch.column("start")[0].as_py()
        captions = batch.column("captions")[0].as_py()
        rows = range(start, start + len(captions))
        if self.ray.get(self.tries.begin.remote(start)) > self.most_tries:
            raise ResourceError(
                f"Rows {rows.start} to {rows.stop - 1} ended {self.most_tries} workers, one after the other, "
                "perhaps for lack of memory; try again with a smaller --batch-size."
            )
        table = self.maker.make(Batch(rows=rows, captions=captions))
        return table.append_column(BATCH, pa.array([start] * len(rows), pa.int64()))


def _split(table: pa.Table) -> Iterator[tuple[range, pa.Table]]:
    """Yield the batches in a table; Ray may hand over several at once."""
    starts = table.column(BATCH).to_pylist()
    table = table.drop_columns([BATCH])
    offset = 0
    for start, group in groupby(starts):
        count = len(list(group))
        yield range(start, start + count), table.slice(offset, count)
        offset += count


def _connect(ray: Any, settings: RaySettings) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    os.environ.setdefault("RAY_worker_niceness", "0")  # the workers are what the machine is for
    verbose = logger.isEnabledFor(logging.INFO)
    options: dict[str, Any] = {"log_to_driver": verbose, "logging_level": logging.ERROR}
    if settings.address is not None:
        options["address"] = settings.address
    elif "RAY_ADDRESS" not in os.environ:
        cores = max(os.cpu_count() or 1, round((settings.workers or 1) * settings.cpus_per_worker) + 1)
        options |= {"include_dashboard": False, "num_cpus": cores}
        places = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(places)  # workers find this code, installed or not
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            ray.init(**options)
            break
        except Exception as error:  # Ray raises plain ones, too
            ray.shutdown()
            if "timed out during startup" in str(error) and attempt < START_ATTEMPTS:
                logger.warning("Ray did not start in time; trying again")
                continue
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise ResourceError(
                f"Ray cannot be started or reached: {reason}; check the address of the cluster."
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # this process tells rate and time left
    context.print_on_execution_start = verbose
    context.raise_original_map_exception = True  # `_explain` looks for it in the text
    logging.getLogger("ray.data").setLevel(logging.INFO if verbose else logging.ERROR)


def _share(resources: dict[str, float], settings: RaySettings) -> tuple[int, float]:
    """Return the number of workers and the GPUs of each, or refuse what can never start."""
    here = resources.get("GPU", 0.0)
    gpus = settings.gpus_per_worker if settings.gpus_per_worker is not None else min(here, 1.0)
    workers = settings.workers or (max(1, int(here // gpus)) if gpus else 1)
    for name, needed, unit in (("GPU", gpus, "GPUs"), ("CPU", settings.cpus_per_worker, "cores")):
        if needed * workers > resources.get(name, 0.0):
            raise ResourceError(
                f"{workers} workers need {needed * workers:g} {unit}, but the cluster has "
                f"{resources.get(name, 0.0):g}; ask for fewer workers."
            )
    return workers, gpus


def _explain(error: BaseException) -> SynticError:
    """Return our own error that a worker raised, which arrives as text, or what Ray says about its end."""
    text = str(error)
    if ours := _OURS.findall(text):
        name, detail = ours[-1]
        found: SynticError = getattr(errors, name)(detail)
        return found
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ResourceError(f"A worker on Ray failed: {(lines or ['no reason given'])[-1][:300]}")


def _import_ray() -> Any:
    try:
        import ray
        import ray.data
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingToolError(
            "Ray is not installed; run `pip install -r requirements-scale.txt`, or take `--engine local`."
        ) from error
    return ray
