"""The programs as a user runs them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import CONFIGS, ROOT
from PIL import Image

from jaxgan import main as main_program
from jaxgan import sample as sample_program
from jaxgan.build import build, build_dataset, build_game, build_optimizers, resolve
from jaxgan.build.data import example_batch
from jaxgan.config import load_config
from jaxgan.data.sources import AT_HAND
from jaxgan.engine.report import read_metrics
from jaxgan.engine.train import count_parameters
from jaxgan.errors import UsageError
from jaxgan.main import describe

DEFAULT = f"{ROOT}/configs/dcgan_fashion.py"
SMOKE = f"{DEFAULT}:smoke"


def jaxgan(program, *arguments, cwd=ROOT):
    command = [sys.executable, "-m", f"jaxgan.{program}", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A smoke run of a conditional DCGAN."""
    workdir = tmp_path_factory.mktemp("runs") / "a"
    main_program.main(
        ["--config", SMOKE, "--workdir", str(workdir), "--config.data.labels=True",
         "--config.eval.every=10", "--config.eval.num=64"]
    )  # fmt: skip
    return workdir


def test_the_workdir_tells_everything(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["data"]["image_shape"] == [28, 28, 1]
    assert config["data"]["num_examples"] == 10_000
    assert config["data"]["num_classes"] == 10
    lines = read_metrics(trained / "metrics.jsonl")
    logged = [line for line in lines if "images" in line]
    assert [line["step"] for line in logged] == [5, 10, 15, 20]
    needed = {"step", "images", "seconds", "images_per_sec", "disc/loss", "gen/loss", "gen/lr",
              "disc/real_logit", "disc/fake_logit", "disc/lr"}  # fmt: skip
    assert all(needed <= line.keys() for line in logged)
    assert logged[-1]["images"] == 20 * 16
    assert [line["step"] for line in lines if "eval/swd" in line] == [10, 20]
    assert list((trained / "tensorboard").glob("events.*"))
    names = {path.name for path in (trained / "samples").iterdir()}
    assert names == {"reals.png", "init.png", "000010.png", "000020.png"}
    assert {path.name for path in (trained / "checkpoints").iterdir()} >= {"10", "20"}
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["steps"] == 20
    assert summary["parameters"]["gen"] > 0
    assert summary["last"]["eval/swd"] > 0


def test_grids_have_a_row_for_each_class(trained):
    with Image.open(trained / "samples" / "000020.png") as grid:
        assert grid.height * 8 == grid.width * 10


def test_sample_writes_a_grid_and_an_npz(trained, tmp_path):
    out, npz = tmp_path / "grid.png", tmp_path / "fakes.npz"
    arguments = ["--workdir", str(trained), "--num", "12", "--out", str(out), "--npz", str(npz)]
    sample_program.main(arguments)
    first = dict(np.load(npz, allow_pickle=False))
    assert first["images"].shape == (12, 28, 28, 1)
    assert first["images"].dtype == np.uint8
    assert first["labels"].tolist() == [*range(10), 0, 1]
    assert Image.open(out).size[0] > 100
    sample_program.main(arguments)
    np.testing.assert_array_equal(np.load(npz)["images"], first["images"])
    sample_program.main([*arguments, "--seed", "1"])
    assert (np.load(npz)["images"] != first["images"]).any()
    sample_program.main([*arguments, "--label", "3"])
    assert set(np.load(npz)["labels"].tolist()) == {3}


def test_interpolation_runs_from_one_latent_to_another(trained, tmp_path):
    npz = tmp_path / "fakes.npz"
    sample_program.main(
        ["--workdir", str(trained), "--num", "3", "--interpolate", "8", "--npz", str(npz)]
    )
    assert np.load(npz)["images"].shape == (24, 28, 28, 1)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--label", "12"], "must be in 0..9"),
        (["--num", "0"], "--num must be positive"),
        (["--step", "7"], "there are 10, 20"),
        (["--interpolate", "1"], "at least 2"),
    ],
)
def test_wrong_sampling(trained, arguments, part):
    with pytest.raises(UsageError, match=part):
        sample_program.main(["--workdir", str(trained), *arguments])


def again(workdir, *overrides):
    return ["--config", SMOKE, "--workdir", str(workdir), "--config.data.labels=True",
            "--config.eval.every=10", "--config.eval.num=64", *overrides]  # fmt: skip


def contents(workdir):
    return {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["--config.data.labels=False"], "data.labels: True -> False.*--force"),
        (["--config.gen.width=4", "--force"], "does not fit this config"),
        (["--config.train.steps=10"], "trained to step 20"),
    ],
)
def test_what_cannot_go_on_is_refused_and_leaves_the_run_as_it_was(trained, overrides, part):
    before = contents(trained)
    with pytest.raises(UsageError, match=part):
        main_program.main(again(trained, *overrides))
    assert contents(trained) == before


def test_a_finished_run_stays_as_it_is(trained, capsys):
    summary = (trained / "summary.json").read_text()
    main_program.main(again(trained))
    assert "raise train.steps" in capsys.readouterr().err
    assert (trained / "summary.json").read_text() == summary


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"gen": 3}', '{"sed": 1}', "{"])
def test_a_damaged_config_is_one_line(trained, text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError):
        sample_program.main(["--workdir", str(tmp_path)])


def test_a_data_set_and_a_term_of_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "from jaxgan.data.dataset import Dataset\n"
        "def data(*, count=40):\n"
        "    return Dataset(name='mine', images=np.zeros((count, 8, 8, 1), np.uint8))\n"
        "def spread(real_logits, *, power=2):\n"
        "    return real_logits ** power\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    main_program.main(
        ["--config", SMOKE, "--workdir", str(tmp_path / "a"), "--config.data.name=mine:data",
         "--config.data.count=20", "--config.terms={'mine': {'name': 'mine:spread', 'power': 4}}",
         "--config.train.steps=2"]
    )  # fmt: skip
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert "disc/mine" in summary["last"]


def test_dry_run_prints_and_trains_nothing(tmp_path):
    done = jaxgan("main", "--config", SMOKE, "--workdir", tmp_path / "a", "--dry_run")
    assert done.returncode == 0, done.stderr
    assert '"loss": "non_saturating"' in done.stdout
    assert "10000 images (28, 28, 1)" in done.stdout
    assert "Generator" in done.stdout and "Discriminator" in done.stdout
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("override", ["--config.train.packing=2", "--config.enc.name=mlp"])
def test_tables_are_of_the_networks_that_are_trained(override):
    config = load_config(f"{ROOT}/configs/mlp_mnist.py:smoke", [override])
    experiment = build(config)
    batch = example_batch(experiment.config)
    params, _, _ = jax.eval_shape(experiment.run.game.init, jax.random.key(0), batch)
    told = re.findall(r"Total Parameters: ([\d,]+)", describe(experiment))
    wanted = [count_parameters(params[player]) for player in ("gen", "disc")]
    assert [int(number.replace(",", "")) for number in told] == wanted


# The families of networks that take long to compile. StyleGAN2 trains in test_styles.py.
DEEP = {
    "resnet": "resnet", "biggan": "biggan", "biggan_deep": "biggan", "r3gan": "r3gan",
    "light": "light", "stylegan2": "stylegan2",
}  # fmt: skip


def system(path: Path) -> str:
    """What is compiled for a config, up to sizes; of networks that take long, the family alone."""
    config = load_config(str(path))
    if config.gen.name in DEEP:
        return DEEP[config.gen.name]
    networks = [
        (config[player].get("name"), config[player].get("conditioning"))
        for player in ("gen", "disc", "enc")
    ]
    chosen = (sorted(config.terms), sorted(config.augment), config.method.name)
    rules = (config.optim.gen.name, config.optim.disc.name, config.train.packing > 1)
    return str((networks, config.loss, chosen, rules, config.data.labels))


def each_system_first() -> Iterator:
    """All configs; a system that an earlier one has is trained again by the slow tests only."""
    seen = {"stylegan2"}
    for path in CONFIGS:
        marks = [pytest.mark.slow] if (found := system(path)) in seen else []
        seen.add(found)
        yield pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.parametrize("path", list(each_system_first()))
def test_every_config_trains_two_steps(path, tmp_path):
    """The recipe's own system at toy size: its networks, loss, terms and optimizers."""
    config = load_config(str(path))
    most = 1 if config.gen.name in DEEP else 2  # each is traced and compiled
    turns = min(config.train.disc_turns, most)
    main_program.main(
        ["--config", f"{path}:smoke", "--workdir", str(tmp_path / "a"), "--config.train.steps=2",
         "--config.log.every=1", "--config.eval.every=0", "--config.data.batch_size=8",
         f"--config.train.disc_turns={turns}"]
    )  # fmt: skip
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["steps"] == 2
    assert np.isfinite(list(summary["last"].values())).all()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_builds_at_full_size(path, tmp_path):
    """Data, networks, game and optimizers of the real recipe fit together; only data are replaced.

    A step of it is traced at toy size, above.
    """
    config, replaced = load_config(str(path)), []
    if config.data.name == "stacked_mnist":
        replaced.append("--config.data.name=stacked_fashion_mnist_10k")
    elif config.data.name not in AT_HAND:
        count, side = 2 * config.data.batch_size, config.data.resolution or 28
        shape = (count, side, side, config.data.channels or 1)
        np.savez(tmp_path / "train.npz", images=np.zeros(shape, np.uint8),
                 labels=np.arange(count) % 10)  # fmt: skip
        replaced += ["--config.data.name=npz", f"--config.data.dir={tmp_path}"]
    config = load_config(str(path), replaced)
    dataset = build_dataset(config)
    game = build_game(resolve(config, dataset))  # an abstract first state of both networks
    assert game.gen.image_shape == dataset.image_shape
    assert build_optimizers(config).keys() == {"gen", "disc"}


def wrong_inputs(folder: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Arguments, and parts of the line that they must get."""
    (folder / "file").write_text("")
    (folder / "empty").mkdir()
    broken = folder / "broken"
    broken.mkdir()
    Image.new("RGB", (8, 8)).save(broken / "good.png")
    (broken / "bad.png").write_bytes(b"no image")
    on_folder = ["--config", f"{ROOT}/configs/dcgan_folder.py"]
    default = ["--config", DEFAULT]
    return {
        "unknown loss": ([*default, "--config.loss=hing"], ["unknown loss", "'hinge'"]),
        "unknown term": ([*default, "--config.terms.r3.weight=1"], ["unknown term", "'r3'", "r1"]),
        "unknown data": ([*default, "--config.data.name=emnist"], ["unknown data set", "'mnist'"]),
        "unknown optimizer": (
            [*default, "--config.optim.gen.name=adm"], ["config.optim.gen", "adam"]),
        "optimizer field": (
            [*default, "--config.optim.gen={'name': 'sgd', 'lr': 0.1, 'b1': 0.5}"],
            ["config.optim.gen", "b1", "momentum"]),
        "batch larger than the data": (
            [*default, "--config.data.batch_size=20000"], ["20000", "10000"]),
        "resolution": ([*default, "--config.data.resolution=30"], ["30x30", "multiple of 4"]),
        "labels": (
            [*on_folder, f"--config.data.dir={broken}", "--config.data.on_bad_image=skip",
             "--config.data.labels=True"], ["no labels"]),
        "missing folder": ([*on_folder, f"--config.data.dir={folder}/none"], ["none"]),
        "no folder": (on_folder, ["config.data.dir"]),
        "empty folder": ([*on_folder, f"--config.data.dir={folder}/empty"], ["empty"]),
        "bad image": ([*on_folder, f"--config.data.dir={broken}"], ["bad.png"]),
        "not prepared": (
            ["--config", f"{ROOT}/configs/dcgan_cifar.py", f"--config.data.dir={folder}/empty"],
            ["cifar10", "jaxgan.data.prepare"]),
        "workdir is a file": ([*default, "--workdir", f"{folder}/file"], ["file", "folder"]),
        "penalty through batch norm": (
            [*default, "--config.disc.norm=batch", "--config.terms.r1.weight=1"],
            ["'r1'", "disc.norm"]),
        "no config": ([], ["--config"]),
        "term field": (
            [*default, "--config.terms={'wgan_gp': {'traget': 0.0}}"], ["traget", "target"]),
        "schedule": ([*default, "--config.optim.gen.schedule=cosin"], ["cosin", "cosine"]),
        "term value": ([*default, "--config.terms={'r1': {'weight': 'abc'}}"],
                       ["config.terms.r1.weight must be float"]),
        "noise": ([*default, "--config.augment.instance_noise.sigma=-1.0"], ["sigma", "at least"]),
        "loss of elsewhere": ([*default, "--config.loss=os:getcwd"], ["'os:getcwd' is no Loss"]),
        "optimizer value": (
            [*default, "--config.optim.gen={'name': 'adam', 'b1': 'x'}"], ["optim.gen.b1"]),
        "data of elsewhere": ([*default, "--config.data.name=os:getcwd"], ["os:getcwd"]),
        "prior": ([*default, "--config.gen.prior=gauss"], ["gauss", "normal"]),
    }  # fmt: skip


def test_wrong_input_is_one_line_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (arguments, parts) in wrong_inputs(tmp_path).items():
        with pytest.raises(UsageError) as error:
            main_program.main(arguments)
        message = str(error.value)
        assert "\n" not in message, name
        for part in parts:
            assert part in message, f"{name}: {message}"
        assert not (tmp_path / "runs").exists(), name


def test_wrong_input_ends_with_status_2_and_no_traceback():
    done = jaxgan("main", "--config", DEFAULT, "--config.loss=hing")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: unknown loss")
    done = jaxgan("sample", "--workdir", "nowhere")
    assert done.returncode == 2
    assert "holds no run" in done.stderr


def test_losses_that_are_no_number_stop_the_run(tmp_path):
    done = jaxgan(
        "main", "--config", SMOKE, "--workdir", tmp_path / "a", "--config.optim.disc.lr=1e30",
        "--config.loss=wasserstein",
    )  # fmt: skip
    assert done.returncode == 1
    assert "not finite at step" in done.stderr.splitlines()[-1]
