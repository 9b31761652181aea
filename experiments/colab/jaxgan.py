# ---
# jupyter:
#   accelerator: TPU
#   colab:
#     name: jaxgan
#     provenance: []
#     toc_visible: true
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Train a GAN with jaxgan
#
# Choose a TPU or a GPU under *Runtime > Change runtime type*, then run the cells from the top. The
# run lives in a folder of your Drive: when Colab takes the machine away, run them again, and it
# goes on from its last checkpoint, bit for bit.

# %% cellView="form"
# @title Install
# @markdown The preinstalled JAX stays as it is: it is the one that matches the TPU.
SOURCE = "https://github.com/jaxgan/jaxgan"  # @param {type:"string"}
# @markdown Seconds instead of minutes: the same system at toy size.
SMOKE = False  # @param {type:"boolean"}

import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path

KEPT = ("jax", "jaxlib", "libtpu", "jax-cuda12-plugin", "jax-cuda12-pjrt", "numpy")


def versions() -> dict[str, str]:
    found = {package.metadata["Name"]: package.version for package in metadata.distributions()}
    return {name: found[name] for name in KEPT if name in found}


before = versions()
home = Path(SOURCE) if Path(SOURCE).is_dir() else Path("jaxgan-source").absolute()
if not home.is_dir():
    subprocess.run(["git", "clone", "--quiet", "--depth=1", SOURCE, str(home)], check=True)
if importlib.util.find_spec("jaxgan") is None:
    Path("kept.txt").write_text("".join(f"{name}=={v}\n" for name, v in before.items()))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint=kept.txt"]
    subprocess.run([*install, str(home)], check=True)
    importlib.invalidate_caches()
assert versions() == before, "the installation changed what it was to keep"

import jax

print(f"jax {jax.__version__} on {jax.device_count()} x {jax.devices()[0].device_kind}")
if jax.default_backend() == "cpu":
    print("no TPU or GPU: Runtime > Change runtime type")

# %% cellView="form"
# @title Where the run is kept
# @markdown A folder of your Drive; without Drive it lasts as long as this machine.
DRIVE = True  # @param {type:"boolean"}
FOLDER = "jaxgan"  # @param {type:"string"}

runs = Path(FOLDER).absolute()
if DRIVE and importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
    from google.colab import drive

    drive.mount("/content/drive")
    runs = Path("/content/drive/MyDrive") / FOLDER
runs.mkdir(parents=True, exist_ok=True)
print("runs are kept in", runs)

# %% cellView="form"
# @title What to train
CONFIG = "dcgan_fashion"  # @param ["dcgan_fashion", "sngan_fashion", "biggan_fashion", "r3gan_fashion", "dcgan_cifar", "sngan_cifar", "biggan_cifar", "r3gan_cifar", "wgan_gp_resnet_cifar"] {allow-input: true}
# @markdown Another name is another run; the same name goes on.
NAME = "first"  # @param {type:"string"}
# @markdown 0: what the config says. A larger number trains a finished run on.
STEPS = 0  # @param {type:"integer"}
SEED = 0  # @param {type:"integer"}
# @markdown More settings, such as `--config.loss=hinge --config.terms.r1.weight=0.1`
MORE = ""  # @param {type:"string"}

import shlex

workdir = runs / f"{CONFIG}-{NAME}"
arguments = [f"--config={home}/configs/{CONFIG}.py{':smoke' if SMOKE else ''}"]
arguments += [f"--workdir={workdir}", f"--config.seed={SEED}", *shlex.split(MORE)]
if STEPS:
    arguments.append(f"--config.train.steps={STEPS}")
print("python -m jaxgan.main", shlex.join(arguments))

# %%
# @title Train
# @markdown Stop it with the button at the left: it finishes the step and saves. Run it again: it
# @markdown goes on.
from jaxgan import main
from jaxgan.errors import Failure, Stopped, UsageError

try:
    main.main(arguments)
except (UsageError, Failure, Stopped) as end:
    print(end)

# %%
# @title Look
# @markdown Samples of the averaged generator at the same latents, from the last step.
from PIL import Image

grids = sorted((workdir / "samples").glob("[0-9]*.png"))
grid = Image.open(grids[-1]) if grids else None
print(grids[-1] if grids else "no samples yet")
grid

# %% cellView="form"
# @title New samples
NUMBER = 64  # @param {type:"integer"}
LATENT_SEED = 1  # @param {type:"integer"}

from jaxgan import sample

out = workdir / f"sampled_{LATENT_SEED}.png"
sample.main([f"--workdir={workdir}", f"--num={NUMBER}", f"--seed={LATENT_SEED}", f"--out={out}"])
Image.open(out)
