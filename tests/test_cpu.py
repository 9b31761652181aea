"""How a program uses the CPU: what it says before JAX starts, and what that saves."""

import json
import platform
import subprocess
import sys

import pytest
from conftest import ROOT

from jaxgan.cpu import cores, devices_for

# Pages that a usual call maps anew, of a function with much temporary memory. The first calls, or
# one beside which another thread allocates, may still find no free block of that size.
CALLS = """
import json, resource, statistics
import jax, jax.numpy as jnp
from jaxgan.cpu import use_cpu
use_cpu({devices})
x = jnp.ones((4096, 8))
program = jax.jit(lambda x: (x @ x.T) @ x).lower(x).compile()
seen = [0]
for _ in range(21):
    program(x).block_until_ready()
    seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
faults = statistics.median(after - before for before, after in zip(seen, seen[1:]))
pages = 4096 * 4096 * 4 / resource.getpagesize()
print(json.dumps({{"faults": faults, "pages": pages, "devices": jax.device_count()}}))
"""


def counts(devices: int) -> dict:
    command = [sys.executable, "-c", CALLS.format(devices=devices)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others keep memory as they like")
def test_memory_of_a_call_stays_for_the_next():
    seen = counts(devices=1)
    assert seen["faults"] < 0.05 * seen["pages"]


def test_cores_are_divided_before_jax_starts():
    assert counts(devices=2)["devices"] == 2


@pytest.mark.parametrize("seeds", [1, 2, 3, 7, 10])
def test_devices_share_the_seeds_evenly(seeds):
    devices = devices_for(seeds)
    assert seeds % devices == 0 and 1 <= devices <= cores()
