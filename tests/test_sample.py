"""Sampling as a user does it: seeds, classes, truncation, paths and films."""

import shutil

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from jaxgan import film, main, sample
from jaxgan.errors import UsageError


def run_of(workdir, *overrides):
    main.main(
        ["--config", f"{ROOT}/configs/dcgan_fashion.py:smoke", "--workdir", str(workdir),
         "--config.gen={'name': 'mlp', 'hidden': (8,), 'latent_dim': 6, 'prior': 'normal'}",
         "--config.disc={'name': 'mlp', 'hidden': (4,)}", "--config.train.steps=2",
         "--config.eval.every=0", "--config.sample.every=0", *overrides]
    )  # fmt: skip
    return workdir


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("runs") / "a", "--config.data.labels=True")


@pytest.fixture(scope="module")
def uniform(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("runs") / "b", "--config.gen.prior=uniform")


@pytest.fixture
def drawn(conditional, tmp_path):
    """Arguments -> what is in the .npz."""

    def draw(*arguments, workdir=conditional):
        path = tmp_path / "fakes.npz"
        sample.main(["--workdir", str(workdir), "--npz", str(path), *map(str, arguments)])
        return dict(np.load(path))

    return draw


def test_a_seed_is_the_same_image_whatever_else_is_in_the_list(drawn):
    few, more = drawn("--seeds", "7,3"), drawn("--seeds", "0-40,3,7")
    assert few["images"].shape == (2, 28, 28, 1)
    assert few["labels"].tolist() == [7, 3]
    assert more["labels"].tolist() == [*range(10)] * 4 + [0, 3, 7]
    for index, seed in enumerate((7, 3)):
        np.testing.assert_array_equal(few["images"][index], more["images"][seed])
    np.testing.assert_array_equal(more["images"][-2], more["images"][3])
    one = drawn("--seed", 7, "--num", 1, "--label", 7)["images"][0]
    assert np.abs(one.astype(int) - few["images"][0]).max() <= 1
    assert (few["images"][0] != few["images"][1]).any()


def test_a_seed_may_be_any_of_32_bits(drawn):
    of = 2**32 - 1
    large = drawn("--seeds", f"0,{of}")
    assert large["labels"].tolist() == [0, of % 10]
    one = drawn("--seed", of, "--num", 1, "--label", of % 10)["images"][0]
    assert np.abs(one.astype(int) - large["images"][1]).max() <= 1


def test_points_are_saved_and_not_drawn(tmp_path):
    workdir = tmp_path / "points"
    main.main(
        ["--config", f"{ROOT}/configs/relativistic_grid.py:smoke", "--workdir", str(workdir),
         "--config.train.steps=1", "--config.eval.every=0", "--config.sample.every=0"]
    )  # fmt: skip
    npz = tmp_path / "points.npz"
    for wrong in (["--npz", str(npz), "--out", str(tmp_path / "x.png")], [], ["--walk", "3"]):
        with pytest.raises(UsageError, match="save them with --npz alone"):
            sample.main(["--workdir", str(workdir), *wrong])
    sample.main(["--workdir", str(workdir), "--npz", str(npz), "--num", "5"])
    assert np.load(npz)["points"].shape == (5, 2)


def test_a_grid_of_classes_has_a_row_for_each_at_the_same_latents(drawn, conditional, tmp_path):
    every = drawn("--label", "all", "--num", 3)
    assert every["labels"].tolist() == np.repeat(np.arange(10), 3).tolist()
    some = drawn("--label", "4,1", "--num", 3)
    np.testing.assert_array_equal(some["labels"], [4, 4, 4, 1, 1, 1])
    np.testing.assert_array_equal(some["images"][:3], every["images"][12:15])
    out = tmp_path / "classes.png"
    sample.main(["--workdir", str(conditional), "--label", "all", "--out", str(out)])
    with Image.open(out) as grid:
        assert grid.height * 8 == grid.width * 10


def test_seeds_and_classes_make_a_grid(drawn):
    grid = drawn("--seeds", "5-7", "--label", "2,0")
    assert grid["labels"].tolist() == [2, 2, 2, 0, 0, 0]
    np.testing.assert_array_equal(
        grid["images"][3], drawn("--seeds", "5", "--label", 0)["images"][0]
    )


def test_interpolation_by_path_and_by_seeds(drawn):
    slerp, linear = (
        drawn("--interpolate", 5, "--num", 2, "--path", path)["images"].reshape(2, 5, 28, 28)
        for path in ("slerp", "linear")
    )
    np.testing.assert_array_equal(slerp[:, [0, 4]], linear[:, [0, 4]])
    assert (slerp[:, 2] != linear[:, 2]).any()
    default = drawn("--interpolate", 5, "--num", 2)["images"]
    np.testing.assert_array_equal(default.reshape(slerp.shape), slerp)
    along = drawn("--interpolate", 4, "--seeds", "1,2,3", "--label", 0)["images"]
    seeds = drawn("--seeds", "1-3", "--label", 0)["images"]
    assert len(along) == 8
    for place, seed in ((0, 0), (3, 1), (4, 1), (7, 2)):
        assert np.abs(along[place].astype(int) - seeds[seed]).max() <= 1


def test_truncation_brings_images_together(drawn):
    spread = [
        drawn("--num", 30, "--label", 1, "--truncation", t)["images"].std(0).mean()
        for t in (0.05, 0.5, 3.0)
    ]
    assert spread[0] < spread[1] / 3 < spread[2] / 3
    sweep = drawn("--num", 2, "--sweep", "0.5,3")
    assert sweep["labels"].tolist() == [0, 0, 1, 1]
    plain = drawn("--num", 2, "--truncation", 3.0)["images"].astype(int)
    assert np.abs(sweep["images"][1::2] - plain).max() <= 1


@pytest.mark.parametrize("label, rows, columns", [("", 3, 4), ("3", 1, 1), ("3,5", 1, 2)])
def test_a_walk_is_a_film(conditional, tmp_path, label, rows, columns):
    out, npz = tmp_path / "walk.gif", tmp_path / "walk.npz"
    flags = ["--walk", "9", "--label", label, "--out", str(out), "--npz", str(npz)]
    sample.main(["--workdir", str(conditional), *flags])
    with Image.open(out) as gif:
        assert gif.n_frames == 9
        assert gif.width * rows == gif.height * columns
    classes = [int(c) for c in label.split(",") if c] or list(range(10))
    assert np.load(npz)["labels"].tolist() == classes * 9


def has_ffmpeg() -> bool:
    try:
        return bool(film.find_ffmpeg())
    except UsageError:
        return False


@pytest.mark.skipif(not has_ffmpeg(), reason="needs ffmpeg: pip install imageio-ffmpeg")
def test_a_walk_as_mp4(conditional, tmp_path):
    out = tmp_path / "walk.mp4"
    sample.main(["--workdir", str(conditional), "--walk", "6", "--out", str(out)])
    assert out.read_bytes()[4:8] == b"ftyp"
    odd = np.random.default_rng(0).integers(0, 255, (3, 33, 17, 3), np.uint8)
    film.save_mp4(tmp_path / "odd.mp4", odd)
    assert (tmp_path / "odd.mp4").stat().st_size > 100


@pytest.mark.skipif(
    has_ffmpeg() and not shutil.which("ffmpeg"), reason="imageio-ffmpeg is installed"
)
def test_without_ffmpeg_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="pip install imageio-ffmpeg, or take a .gif"):
        sample.main(["--workdir", "none", "--walk", "5", "--out", str(tmp_path / "walk.mp4")])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--label", "10"], "must be in 0..9"),
        (["--label", "cat"], "a class, several as 1,2,5, or all"),
        (["--seeds", "1-"], "must look like"),
        (["--seeds", "1,2", "--num", "3"], "drop --num"),
        (["--seeds", "1,2", "--seed", "0"], "drop --seed"),
        (["--strength", "9"], "--strength is of --sefa"),
        (["--truncation", "0"], "--truncation must be positive for a generator without styles"),
        (["--truncation", "nan"], "--truncation must be positive for a generator without styles"),
        (["--walk", "1"], "at least 2"),
        (["--walk", "5", "--num", "1"], "a path needs two"),
        (["--walk", "5", "--interpolate", "5"], "drop one"),
        (["--walk", "5", "--out", "walk.png"], "a .gif or .mp4 file"),
        (["--interpolate", "5", "--seeds", "3"], "a path needs two"),
        (["--path", "slerp"], "no path without"),
        (["--mix"], "of generators with styles"),
        (["--sefa", "2"], "of generators with styles"),
        (["--sweep", "0.5,0"], "--sweep must be positive for a generator without styles"),
        (["--path", "straight", "--interpolate", "3"], "invalid choice"),
    ],
)
def test_wrong_flags_get_one_line(conditional, arguments, part):
    with pytest.raises(UsageError) as error:
        sample.main(["--workdir", str(conditional), *arguments])
    assert part in str(error.value) and "\n" not in str(error.value)


def test_a_uniform_prior_is_not_truncated_and_has_straight_paths(drawn, uniform):
    with pytest.raises(UsageError, match="of a normal prior; this one is 'uniform'"):
        drawn("--truncation", 0.5, workdir=uniform)
    with pytest.raises(UsageError, match="trained without labels"):
        drawn("--label", "all", workdir=uniform)
    default, linear = (
        drawn("--interpolate", 3, "--num", 2, *path, workdir=uniform)["images"]
        for path in ([], ["--path", "linear"])
    )
    np.testing.assert_array_equal(default, linear)
