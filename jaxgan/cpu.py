"""What there is of the CPU, and how a program makes the most of it."""

import ctypes
import os
from contextlib import suppress

import jax

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # what glibc's mallopt calls them (malloc.h)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices_for(seeds: int) -> int:
    """As many devices of a CPU as share the seeds evenly.

    A core that trains seeds of its own needs no other at each small matrix product: ten seeds of
    configs/pacgan_grid.py take 8.1 times as long as one on 2 cores so, and 10.3 times where both
    cores work at each product (experiments/mode_collapse/README.md).
    """
    return max(n for n in range(1, cores() + 1) if seeds % n == 0)


def use_cpu(devices: int = 1) -> None:
    """Before JAX is first used: makes a CPU so many devices, and lets it keep a step's memory.

    GPUs and TPUs are what they are. Where JAX is in use already, as in a notebook, there are the
    devices there are.
    """
    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if devices > 1 and not chosen and jax.config.jax_num_cpu_devices <= 0:
        _divide_cores(devices)
    if devices == 1:
        # Calls run in the thread that makes them: of it alone glibc keeps large blocks, and it has
        # nothing else to do.
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    if jax.default_backend() == "cpu":
        _keep_memory()


def _divide_cores(devices: int) -> None:
    """Makes a CPU so many devices.

    Cores of one device wait for each other at every operation, devices only where gradients are
    added, and a core that is alone has faster convolutions (networks/winograd.py). In
    experiments/speed, on 2 cores, StyleGAN2 makes 9.3 images/s as one device and 13.9 as two.
    """
    with suppress(RuntimeError):  # JAX is in use already
        jax.config.update("jax_num_cpu_devices", devices)


def _keep_memory() -> None:
    """Memory that a call frees stays with the process, for the next call; glibc only.

    XLA allocates all temporary memory of a call as one block, and glibc hands a block of more than
    32 MB back to the kernel as soon as it is free: the next call gets other pages, and each of them
    has to be mapped and cleared.
    """
    with suppress(OSError, AttributeError, TypeError):  # another libc, or another system
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  # others' mallopt means other things
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
