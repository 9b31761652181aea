"""Many processes that train as one: how they find each other, and what they decide together.

Each process runs the same program on the same config, with devices of its own. All of them make
every call, because a call is compiled for the devices of all; what is told to the world (files,
lines on the terminal) the first tells alone, and what it reads there the others hear from it: a
file system that several hosts share may show them different things.
"""

import importlib.util
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental.multihost_utils import broadcast_one_to_all, process_allgather

from jaxgan.errors import Failure, UsageError, first_line

HEARTBEAT = 60  # seconds without a sign of life after which a process counts as dead
PERIOD = 5.0  # seconds between two questions whether anyone was asked to stop
EXPLICIT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
SET_ALL = f"set {EXPLICIT[0]} (host:port of the first), {EXPLICIT[1]} and {EXPLICIT[2]} instead"
STATUS = re.compile(r"(UNKNOWN|UNAVAILABLE|INTERNAL|ABORTED|CANCELLED|DEADLINE_EXCEEDED): ")
TPU_WORKERS = ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES")
METADATA = (
    "http://metadata.google.internal/computeMetadata/v1/instance/attributes/"
    "worker-network-endpoints"
)


def init(heartbeat: int = HEARTBEAT) -> None:
    """Joins the processes of this run, where there are several; before JAX's first use of a device.

    They are told by JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID, or else by
    SLURM's `srun`, Open MPI, an indexed job of Kubernetes, or the workers of a Cloud TPU.
    JAX_NUM_PROCESSES=1 keeps a process by itself wherever it is.

    heartbeat: see `HEARTBEAT`. A process whose peer is dead ends within it, with a status that is
      not 0; where JAX's collectives notice before, with a line of ours.

    Raises:
      UsageError: the environment says half of what is needed.
      Failure: the others do not answer.
    """
    told = whereabouts(os.environ)
    if told is None:
        return
    try:
        jax.distributed.initialize(**told, heartbeat_timeout_seconds=heartbeat)
    except (RuntimeError, ValueError) as error:
        raise Failure(
            f"the processes of this run did not find each other ({first_line(error)}); start all "
            "of them, or one alone with JAX_NUM_PROCESSES=1"
        ) from error
    # JAX catches SIGTERM from here on, for a service of its own that would let the program run on.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def whereabouts(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """What `jax.distributed.initialize` is to be told; None where there is one process.

    What it finds out by itself is left to it.

    Raises:
      UsageError: see `init`.
    """
    if any(name in environ for name in EXPLICIT[1:]):
        return explicit(environ)
    if "SLURM_STEP_NODELIST" in environ:  # within srun
        return {} if counted(environ, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS") > 1 else None
    if counted(environ, "OMPI_COMM_WORLD_SIZE") > 1:
        return open_mpi(environ)
    if "KUBERNETES_SERVICE_HOST" in environ and "JOB_COMPLETION_INDEX" in environ:
        if not importlib.util.find_spec("kubernetes"):
            raise UsageError(
                "an indexed job of Kubernetes: pip install kubernetes, with which JAX finds its "
                f"other pods; or {SET_ALL}"
            )
        return {}
    if tpu_workers(environ) > 1:
        return {}
    if EXPLICIT[0] in environ:
        raise UsageError(f"{EXPLICIT[0]} is set, but not how many processes there are; {SET_ALL}")
    return None


def explicit(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """`whereabouts` from JAX's own three names."""
    if counted(environ, EXPLICIT[1]) == 1:
        return None
    missing = [name for name in EXPLICIT if name not in environ]
    if missing:
        raise UsageError(f"{' and '.join(missing)} missing: {', '.join(EXPLICIT)} go together")
    address, count, index = (environ[name] for name in EXPLICIT)
    if not (index.isdecimal() and int(index) < int(count)):
        raise UsageError(f"{EXPLICIT[2]} must be in 0..{int(count) - 1}; got {index!r}")
    if not address.rpartition(":")[2].isdecimal():
        raise UsageError(f"{EXPLICIT[0]} must be host:port; got {address!r}")
    return {
        "coordinator_address": address,
        "num_processes": int(count),
        "process_id": int(index),
    }


def open_mpi(environ: Mapping[str, str]) -> dict[str, Any]:
    """`whereabouts` under mpirun, which since Open MPI 5 no longer says where the first is."""
    if "OMPI_MCA_orte_hnp_uri" in environ:
        return {}
    if EXPLICIT[0] not in environ:
        raise UsageError(f"this Open MPI does not say where its first process is; set {EXPLICIT[0]}"
                         " to its host:port (mpirun -x)")  # fmt: skip
    return {
        "num_processes": int(environ["OMPI_COMM_WORLD_SIZE"]),
        "process_id": int(environ["OMPI_COMM_WORLD_RANK"]),
    }


def counted(environ: Mapping[str, str], *names: str) -> int:
    """The number of processes that the first of these names holds; 0 where none is set."""
    for name in names:
        if text := environ.get(name):
            if not text.isdecimal() or int(text) < 1:
                raise UsageError(f"{name} must be a positive number; got {text!r}")
            return int(text)
    return 0


def tpu_workers(environ: Mapping[str, str]) -> int:
    """Hosts of this slice of a Cloud TPU; 0 where there is no TPU."""
    for name in TPU_WORKERS:
        if name in environ:
            slices = counted(environ, "MEGASCALE_NUM_SLICES") or 1
            return len(environ[name].split(",")) * slices
    chips = any(Path(name).exists() for name in ("/dev/accel0", "/dev/vfio/0"))
    if not chips or "TPU_SKIP_MDS_QUERY" in environ or not importlib.util.find_spec("libtpu"):
        return 0
    import requests

    try:
        answer = requests.get(METADATA, headers={"Metadata-Flavor": "Google"}, timeout=10)
    except requests.RequestException:
        return 0
    return len(answer.text.split(",")) if answer.status_code == 200 else 0


def several() -> bool:
    """Whether this process is one of several. Asked of one by itself, it uses no device yet."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Whether this is the process that writes files and the terminal."""
    return not several() or jax.process_index() == 0


def of_first(function: Callable[[], Any]) -> Any:
    """What `function` returns on the first process, on all; it must be what JSON can hold.

    Raises:
      UsageError, Failure: on all, where it raises on the first.
    """
    if not several():
        return function()
    told: dict[str, Any] = {}
    raised = None
    if is_first():
        try:
            told = {"value": function()}
        except Exception as error:
            raised = error
            told = {"error": first_line(error), "usage": isinstance(error, UsageError)}
    told = json.loads(broadcast(json.dumps(told)))
    if raised:
        raise raised
    if "error" in told:
        raise (UsageError if told["usage"] else Failure)(told["error"])
    return told["value"]


def broadcast(text: str) -> str:
    """The first process's text, on all."""
    data = np.frombuffer(text.encode(), np.uint8)
    size = int(broadcast_one_to_all(np.int32(len(data))))
    room = np.zeros(max(1024, 1 << (size - 1).bit_length()), np.uint8)  # few shapes to compile
    room[: len(data)] = data if is_first() else 0
    return bytes(broadcast_one_to_all(room)[:size]).decode()


def any_of(wanted: bool) -> bool:
    """Whether it is so on any process; all of them must ask."""
    return bool(process_allgather(np.bool_(wanted)).any()) if several() else wanted


@contextmanager
def held_by_first(manager: AbstractContextManager) -> Iterator[None]:
    """Enters `manager` on the first process alone; what it raises on entering, on all."""
    with ExitStack() as stack:

        def enter() -> None:
            stack.enter_context(manager)

        of_first(enter)
        yield


def is_lost(error: Exception) -> bool:
    """Whether the devices of several processes could not finish what they had begun together.

    JAX says so by an error of its own, or by a ValueError that begins with a status.
    """
    ours = isinstance(error, UsageError)
    told = isinstance(error, jax.errors.JaxRuntimeError) or STATUS.match(str(error))
    return several() and bool(told) and not ours


class Agreement:
    """What any process wants, known to all after the same step.

    To ask takes a round of messages and waits for the device, so it is done about every `PERIOD`
    seconds: after as many steps as the slowest process makes in that time, which they agree on too.
    """

    def __init__(self):
        self._asked: int | None = None  # after this step, and the next time after that one
        self._next, self._since = 0, 0.0

    def __call__(self, step: int, wanted: bool) -> bool:
        """Whether all are to do it after `step`; each process must call this after the same."""
        if not several():
            return wanted
        played = step - self._asked if self._asked is not None else 0
        if played > 0 and step < self._next:
            return False
        # Nothing is known of the pace at a start, and after a rollback, which is one.
        pace = (time.monotonic() - self._since) / played if played > 0 else np.inf
        answers = process_allgather(np.array([wanted, pace], np.float32))
        self._asked, self._since = step, time.monotonic()
        self._next = step + max(1, int(PERIOD / max(float(answers[:, 1].max()), 1e-6)))
        return bool(answers[:, 0].any())


def leave(status: int) -> NoReturn:
    """Ends this process; at once where it is one of several, which the others then notice.

    Python's own end would wait for them, who wait for this one.
    """
    if several():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
