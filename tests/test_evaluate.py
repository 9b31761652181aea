"""The program that scores, as a user runs it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from jaxgan import evaluate
from jaxgan import main as main_program
from jaxgan.build import build_dataset
from jaxgan.errors import UsageError
from jaxgan.workdir import read_config


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A conditional smoke run that was scored at steps 10 and 20."""
    workdir = tmp_path_factory.mktemp("runs") / "a"
    main_program.main(
        ["--config", f"{ROOT}/configs/dcgan_fashion.py:smoke", "--workdir", str(workdir),
         "--config.data.labels=True", "--config.eval.every=10", "--config.eval.num=64"]
    )  # fmt: skip
    return workdir


@pytest.fixture
def pictures(tmp_path):
    """Two folders and a file of images, 30 each."""
    rng = np.random.default_rng(0)
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
        for i in range(30):
            pixels = rng.integers(0, 256, (28, 28), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    images = rng.integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    np.savez(tmp_path / "fake.npz", images=images)
    return tmp_path


def test_a_run_is_scored_as_its_config_says(trained, capsys):
    evaluate.main(["--workdir", str(trained)])
    printed = capsys.readouterr().out
    line = lines_of(trained / "evaluations.jsonl")[-1]
    assert set(line["scores"]) == {"fd_fashion_mnist", "swd"}
    assert line["spread"] == {}
    for name, value in line["scores"].items():
        assert f"{name}" in printed and f"{value:.5g}" in printed
    assert line["real"]["name"] == "fashion_mnist_10k:train" and line["real"]["count"] == 256
    assert len(line["real"]["sha256"]) == len(line["features"]["sha256"]) == 64
    assert line["fake"] == {
        "count": 64, "source": str(trained), "checkpoint": 20, "member": 0, "params": "ema",
        "batch_statistics": "ema", "seed": 0,
        "quantization": "floor(127.5 x + 128), clipped to 0..255",
    }  # fmt: skip
    assert line["protocol"]["name"] == "torch-fidelity" and line["protocol"]["ddof"] == 1
    assert line["features"]["verified"] is True
    assert line["jaxgan"] and line["jax"] and line["device"]


def test_the_same_command_gives_the_same_scores(trained):
    for _ in range(2):
        evaluate.main(["--workdir", str(trained), "--seed", "5"])
    first, second = lines_of(trained / "evaluations.jsonl")[-2:]
    assert first["scores"] == second["scores"]
    evaluate.main(["--workdir", str(trained), "--seed", "6"])
    assert lines_of(trained / "evaluations.jsonl")[-1]["scores"] != first["scores"]


def test_the_best_checkpoint_is_the_one_that_training_said(trained):
    summary = json.loads((trained / "summary.json").read_text())
    best = summary["best"]
    steps = {
        line["step"]: line["eval/fd_fashion_mnist"]
        for line in lines_of(trained / "metrics.jsonl")
        if "eval/fd_fashion_mnist" in line
    }
    assert set(steps) == {10, 20}
    assert best == {"step": min(steps, key=steps.get), "eval/fd_fashion_mnist": min(steps.values())}
    assert [path.name for path in (trained / "best").iterdir()] == [str(best["step"])]
    evaluate.main(["--workdir", str(trained), "--checkpoint", "best"])
    assert lines_of(trained / "evaluations.jsonl")[-1]["fake"]["checkpoint"] == best["step"]


@pytest.mark.parametrize(
    "flags", [["--checkpoint", "10"], ["--params", "raw"], ["--batch_stats", "standing"]]
)
def test_which_generator_it_was_is_stated_and_matters(trained, flags):
    for extra in ([], flags):
        evaluate.main(["--workdir", str(trained), "--metrics", "swd", *extra])
    first, second = lines_of(trained / "evaluations.jsonl")[-2:]
    assert first["fake"] != second["fake"]
    assert first["scores"] != second["scores"]


def test_many_protocols_side_by_side(trained, capsys):
    evaluate.main(
        ["--workdir", str(trained), "--metrics", "fd", "--protocol", "torch-fidelity,stylegan",
         "--features", "fashion_mnist,mnist"]
    )  # fmt: skip
    lines = lines_of(trained / "evaluations.jsonl")[-4:]
    assert [(line["features"]["network"], line["protocol"]["name"]) for line in lines] == [
        ("fashion_mnist", "torch-fidelity"), ("fashion_mnist", "stylegan"),
        ("mnist", "torch-fidelity"), ("mnist", "stylegan"),
    ]  # fmt: skip
    assert {*lines[0]["scores"]} == {"fd_fashion_mnist"} and {*lines[2]["scores"]} == {"fd_mnist"}


def test_copies_are_found_and_shown(trained, pictures):
    """Fakes that are training images, against held-out ones."""
    from jaxgan.data.sources import load_dataset

    data = load_dataset("fashion_mnist_10k").images
    np.savez(pictures / "real.npz", images=data[:300])
    np.savez(pictures / "held.npz", images=data[300:600])
    np.savez(pictures / "copies.npz", images=data[:100])
    np.savez(pictures / "fresh.npz", images=data[600:700])
    out = pictures / "evaluations.jsonl"
    for name in ("copies", "fresh"):
        evaluate.main(
            ["--real", str(pictures / "real.npz"), "--fake", str(pictures / f"{name}.npz"),
             "--held_out", str(pictures / "held.npz"), "--metrics", "memorization",
             "--features", "fashion_mnist", "--out", str(out)]
        )  # fmt: skip
    copies, fresh = (line["scores"] for line in lines_of(out))
    assert copies["authenticity_fashion_mnist"] == 0.0
    assert copies["distance_ratio_fashion_mnist"] == pytest.approx(0.0, abs=1e-5)  # rounding
    assert copies["ct_fashion_mnist"] < -3 < fresh["ct_fashion_mnist"]
    assert fresh["authenticity_fashion_mnist"] > 0.3
    with Image.open(pictures / "closest_fashion_mnist.png") as picture:
        assert picture.size == (8 * 28 * 2, 8 * 28 * 2)


def test_memorization_is_of_all_training_images(trained, pictures):
    """Not of as many as distances are of: any may be copied."""
    held_out, out = pictures / "fake.npz", pictures / "evaluations.jsonl"
    arguments = ["--workdir", str(trained), "--features", "fashion_mnist", "--out", str(out)]
    of = ["--metrics", "memorization", "--held_out", str(held_out)]
    evaluate.main([*arguments, *of])
    evaluate.main([*arguments, *of, "--num_real", "300"])
    assert [line["real"]["count"] for line in lines_of(out)] == [10_000, 300]


def test_a_run_on_images_that_are_no_squares_is_scored_on_the_same(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 16, 2), dtype=np.uint8)
    np.savez(tmp_path / "wide.npz", images=images)
    smoke = ["--config", f"{ROOT}/configs/mlp_mnist.py:smoke", "--workdir", str(tmp_path / "a")]
    fields = {
        "data": {"name": "npz", "dir": str(tmp_path / "wide.npz"), "batch_size": 8},
        "eval": {"every": 0, "metrics": ("swd",), "features": "", "num": 40},
        "train.steps": 2, "sample.every": 0,
    }  # fmt: skip
    main_program.main([*smoke, *(f"--config.{name}={value}" for name, value in fields.items())])
    config = read_config(tmp_path / "a")
    assert tuple(config.data.image_shape) == (8, 16, 2) and config.data.resolution == 0
    assert build_dataset(config).image_shape == (8, 16, 2)
    evaluate.main(["--workdir", str(tmp_path / "a")])
    np.savez(tmp_path / "held.npz", images=images[:, :, :8])
    with pytest.raises(UsageError, match="images are 8 x 8 x 2, not 8 x 16 x 2"):
        evaluate.main(["--workdir", str(tmp_path / "a"), "--held_out", str(tmp_path / "held.npz")])


def test_any_two_sets(pictures):
    out = pictures / "e.jsonl"
    for fake in ("fake", "fake.npz"):
        evaluate.main(
            ["--real", str(pictures / "real"), "--fake", str(pictures / fake), "--metrics",
             "fd,swd", "--features", "efficientnet_lite0" if fake == "x" else "mnist",
             "--out", str(out)]
        )  # fmt: skip
    first, second = lines_of(out)
    assert first["real"]["sha256"] == second["real"]["sha256"]
    assert first["scores"]["fd_mnist"] > 0 and first["scores"] != second["scores"]


def bad_sets(folder):
    (folder / "empty").mkdir()
    (folder / "mixed").mkdir()
    for i, side in enumerate((28, 30)):
        Image.new("L", (side, side)).save(folder / "mixed" / f"{i}.png")
    np.savez(folder / "large.npz", images=np.zeros((30, 32, 32, 1), np.uint8))
    np.savez(folder / "floats.npz", images=np.full((30, 28, 28, 1), np.nan, np.float32))
    np.savez(folder / "one.npz", images=np.zeros((1, 28, 28, 1), np.uint8))
    np.savez(folder / "flat.npz", images=np.zeros((30, 28, 28, 1), np.uint8))


@pytest.mark.parametrize(
    "flags, part",
    [
        (["--fake", "empty"], "no images in"),
        (["--fake", "mixed"], "30 x 30 pixels.*give resolution"),
        (["--fake", "large.npz"], "real images are 28 x 28 x 1, fakes 32 x 32 x 1"),
        (["--fake", "floats.npz"], "images are float32; expected uint8"),
        (["--fake", "one.npz"], "has 1 samples; this metric needs at least 2"),
        (["--fake", "nowhere/a"], "no .npz file, no folder"),
        (["--fake", "fake", "--num", "31"], "has 30 images"),
        (["--fake", "fake", "--metrics", "fid"], "fid means the features of inception"),
        (["--fake", "fake", "--metrics", "fud"], "did you mean 'fd'"),
        (["--fake", "fake", "--features", "incepton"], "did you mean 'inception'"),
        (["--fake", "fake", "--protocol", "clean"], "did you mean 'clean-fid'"),
        (["--fake", "fake", "--metrics", "memorization"], "held-out"),
        (["--fake", "fake", "--metrics", "cs", "--num", "5"], "too few for 10 splits"),
        (["--fake", "fake", "--weights", "no.pth"], "no file of weights no.pth"),
        (["--fake", "fake", "--unverified"], "goes with --weights"),
        (["--workdir", "real"], "give --workdir, or else"),
        (["--fake", "fake", "--split", "test"], "of --workdir; the split of a data set is NAME"),
        (["--fake", "fake", "--checkpoint", "best"], "--checkpoint is of --workdir"),
        (["--fake", "fake", "--out", "no/where.jsonl"], "no folder"),
    ],
)
def test_wrong_input_is_one_clear_line(pictures, monkeypatch, flags, part):
    bad_sets(pictures)
    monkeypatch.chdir(pictures)
    defaults = {"--real": "real", "--metrics": "fd", "--features": "mnist"}
    given = [flag for name, value in defaults.items() if name not in flags
             for flag in (name, value)]  # fmt: skip
    with pytest.raises(UsageError, match=part) as error:
        evaluate.main([*given, *flags])
    assert "\n" not in str(error.value)
    assert not (pictures / "evaluations.jsonl").exists()


def test_sets_that_take_no_folder_or_resolution_have_names_too():
    assert evaluate.open_images("ring", "anywhere", resolution=0).is_points
    stacks = evaluate.open_images("stacked_fashion_mnist_10k", "", resolution=0, resize="lanczos")
    assert stacks.image_shape == (28, 28, 3)
    with pytest.raises(UsageError, match="unknown argument of data set 'ring': 'resolution'"):
        evaluate.open_images("ring", "", resolution=8)
    with pytest.raises(UsageError, match="unknown argument of data set 'ring': 'split'"):
        evaluate.open_images("ring:test", "", resolution=0)


def test_other_weights_never_make_a_fid(pictures):
    """Weights that are not the published ones: refused, or named as what they are."""
    from safetensors.numpy import load_file, save_file

    from jaxgan.metrics.features.classifier import WEIGHTS

    arrays = load_file(WEIGHTS / "mnist.safetensors")
    save_file({name: array * 1.01 for name, array in arrays.items()}, pictures / "w.safetensors")
    flags = ["--real", str(pictures / "real"), "--fake", str(pictures / "fake.npz"), "--metrics",
             "fd", "--features", "mnist", "--weights", str(pictures / "w.safetensors"), "--out",
             str(pictures / "e.jsonl")]  # fmt: skip
    with pytest.raises(UsageError, match="it is not mnist.safetensors"):
        evaluate.main(flags)
    evaluate.main([*flags, "--unverified"])
    (line,) = lines_of(pictures / "e.jsonl")
    assert set(line["scores"]) == {"fd_mnist_unverified"}
    assert line["features"]["verified"] is False


def test_a_pickle_with_code_is_refused(pictures):
    """The program itself, and nothing runs."""
    import pickle

    class Bomb:
        def __reduce__(self):
            return (open, (str(pictures / "ran"), "w"))

    (pictures / "bomb.pth").write_bytes(pickle.dumps({"a": Bomb()}))
    done = subprocess.run(
        [sys.executable, "-m", "jaxgan.evaluate", "--real", str(pictures / "real"), "--fake",
         str(pictures / "fake"), "--weights", str(pictures / "bomb.pth"), "--unverified"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert not (pictures / "ran").exists()


def test_missing_weights_say_what_to_download(pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("JAXGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="download https://.*SHA-256 [0-9a-f]{64}.*put it at"):
        evaluate.main(
            ["--real", str(pictures / "real"), "--fake", str(pictures / "fake"), "--metrics", "fid"]
        )
