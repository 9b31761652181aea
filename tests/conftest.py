"""Shared by all tests: where compiled programs are kept, and the smallest experiments."""

import gc
import os
import tempfile
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import settings

# Compilation dominates the suite: programs that two tests share are compiled once.
CACHE = Path(tempfile.gettempdir()) / f"jaxgan-test-cache-{os.getuid()}"
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(CACHE)  # for the programs that tests start

# XLA for CPUs compiles many training steps in two thirds of the time with its older emitters, and
# is not made to cut small programs into 32 pieces. Later releases do not have the first of these
# flags, and end at one that they do not know.
if jax.__version_info__ < (0, 11):
    flags = os.environ.get("XLA_FLAGS", "")
    quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{flags} {quick}"

# Tracing makes many objects and few cycles: collecting after every 700 takes a sixth of its time.
gc.set_threshold(50_000, 20, 20)

settings.register_profile("jaxgan", deadline=None, derandomize=True)
settings.load_profile("jaxgan")

# The fields that make each network as small as it gets.
SMALL = {
    "mlp": {"hidden": (4,)},
    "dcgan": {"width": 2},
    "dcgan_keras": {"width": 2},
    "resnet": {"width": 2},
    "biggan": {"width": 1},
    "biggan_deep": {"width": 1, "blocks": 1},
    "light": {"width": 1},
    "r3gan": {"widths": (4,), "blocks": (1,), "group_size": 4},
    "stylegan2": {"channel_base": 16, "channel_max": 4, "mapping_layers": 1},
}
# Tests of networks in full size, of whole trainings, and of speed.
OPTIMIZED = {"test_classifier.py", "test_dinov2.py", "test_efficientnet.py", "test_extract.py",
             "test_inception.py", "test_perceptual.py", "test_scores.py", "test_speed.py",
             "test_training.py"}  # fmt: skip
ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.py"))


@pytest.fixture(scope="session", autouse=True)
def own_features(tmp_path_factory):
    """Features of real images are kept for one run of the suite, and shared by its processes.

    Another version's programs would round them differently from those of the same fakes.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    os.environ["JAXGAN_CACHE"] = str(folder / "cache")


@pytest.fixture(autouse=True)
def fresh_trace_counts():
    """chex counts the traces of a function by its name, over tests too."""
    chex.clear_trace_counter()


@pytest.fixture
def enable_x64():
    """The context of float64 arrays, where the oldest jax that is supported has it too."""
    return jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64


def optimize(programs: bool) -> None:
    """In this process, and in those that it starts."""
    jax.config.update("jax_disable_most_optimizations", not programs)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(int(not programs))


@pytest.fixture(autouse=True, scope="module")
def compilation(request):
    """What runs a few times on toy shapes is not worth optimizing: it compiles twice as fast."""
    optimize(request.path.name in OPTIMIZED)


@pytest.fixture
def optimized():
    """For what is measured of compiled programs, in a file that is not in OPTIMIZED."""
    optimize(True)
    yield
    optimize(False)


@pytest.fixture
def images() -> jax.Array:
    """A batch of images in [-1, 1], [4, 8, 8, 1]."""
    return jax.random.uniform(jax.random.key(7), (4, 8, 8, 1), minval=-1.0, maxval=1.0)


@pytest.fixture
def toy_batches(images) -> dict[str, jax.Array]:
    """The data of a step with two turns of the discriminator."""
    scales = jnp.linspace(0.5, 1.0, 2)[:, None, None, None, None]
    return {"image": scales * images, "label": jnp.tile(jnp.array([0, 1, 2, 1]), (2, 1))}


def assert_same_bits(first, second) -> None:
    """Equal trees of equal arrays, to the last bit."""
    first, second = jax.tree.leaves_with_path(first), jax.tree.leaves_with_path(second)
    assert [path for path, _ in first] == [path for path, _ in second]
    for (path, a), (_, b) in zip(first, second, strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=str(path))
