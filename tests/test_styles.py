"""Sampling a generator by its styles, and finding the styles of an image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from jaxgan import main, project, sample
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.grids import Maker
from jaxgan.networks import NETWORKS
from jaxgan.networks.apply import init
from jaxgan.objectives.losses import LOSSES
from jaxgan.projection import pixel_distance, ramp, signal_to_noise, style_distance
from jaxgan.projection import project as find
from jaxgan.styles import directions, mean_style, mixed, space_of
from jaxgan.trained import load_generator


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Two steps of a conditional StyleGAN2."""
    workdir = tmp_path_factory.mktemp("runs") / "a"
    main.main(
        ["--config", f"{ROOT}/configs/stylegan2_fashion.py:smoke", "--workdir", str(workdir),
         "--config.data.resolution=16", "--config.data.crop=center", "--config.data.labels=True",
         "--config.data.batch_size=8", "--config.train.steps=2", "--config.eval.every=0",
         "--config.sample.every=0", "--config.gen.latent_dim=6", "--config.gen.w_dim=8",
         "--config.terms={}", "--config.disc.embed_dim=8"]
    )  # fmt: skip
    return workdir


@pytest.fixture(scope="module")
def made(workdir):
    """Flags of jaxgan.sample -> the plan, and its images as a grid [rows, columns, H, W, C]."""
    _, game, generator, _ = load_generator(workdir)

    def make(*arguments):
        flags = sample.parse(["--workdir", str(workdir), *map(str, arguments)])
        maker = Maker(space_of(game), generator, flags)
        plan = maker.plan()
        images = maker.images(plan)
        return maker, plan, images.reshape(-1, plan.columns, *images.shape[1:])

    return make


def close(a, b):
    np.testing.assert_allclose(a, b, atol=2e-4)


def test_a_sweep_goes_from_the_mean_to_the_plain_image(made):
    maker, plan, images = made("--sweep", "0,0.5,1", "--num", 3)
    assert images.shape == (3, 3, 16, 16, 1) and plan.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    mean = mean_style(maker.generator)
    assert (mean != 0).any()
    points = plan.points.reshape(3, 3, 8)
    close(points[:, 0], jnp.tile(mean, (3, 1)))
    close(points[:, 1], 0.5 * (points[:, 0] + points[:, 2]))
    _, plain, grid = made("--num", 3)
    close(points[:, 2], plain.points)
    close(images[:, 2], grid.reshape(3, 16, 16, 1))


def test_styles_are_interpolated_on_straight_lines_of_one_class(made):
    _, plan, images = made("--interpolate", 3, "--seeds", "4,7", "--label", 2)
    _, ends, grid = made("--seeds", "4,7", "--label", 2)
    close(plan.points[::2], ends.points)
    close(plan.points[1], ends.points.mean(axis=0))
    close(images[0, ::2], grid.reshape(2, 16, 16, 1))
    _, walk, _ = made("--walk", 4, "--num", 2, "--label", "1,2")
    assert walk.points.shape == (8, 8) and walk.labels.tolist() == [1, 2] * 4
    first = walk.points.reshape(4, 2, 8)
    close(first[1], 0.5 * (first[0] + first[2]))
    assert (first[:, 0] != first[:, 1]).any()


def test_a_mixing_grid_has_its_sources_at_the_edges(made):
    """The row's styles, and in some layers the column's."""
    maker, plan, images = made("--mix", "--num", 2, "--layers", "0-2", "--label", 1)
    layers = maker.space.layers
    assert layers == 6 and images.shape[:2] == (3, 3)
    styles = plan.points.reshape(3, 3, layers, 8)
    for row in (1, 2):
        for column in (1, 2):
            close(styles[row, column, :3], styles[0, column, :3])
            close(styles[row, column, 3:], styles[row, 0, 3:])
    close(styles[0, 0], jnp.tile(mean_style(maker.generator), (layers, 1)))
    _, plain, grid = made("--num", 4, "--label", 1)
    close(styles[1:, 0, 0], plain.points[:2])
    close(styles[0, 1:, 0], plain.points[2:])
    close(images[1:, 0], grid.reshape(4, 16, 16, 1)[:2])


def test_sefa_moves_the_chosen_layers_both_ways(made):
    maker, plan, images = made("--sefa", 2, "--layers", "1,2", "--strength", 6, "--label", 0)
    assert images.shape[:2] == (2, 7)
    styles = np.asarray(plan.points).reshape(2, 7, 6, 8)
    source = styles[:, 3]
    close(source[0], source[1])
    found = directions(maker.generator["params"], [1, 2], 2)
    for row in range(2):
        close(styles[row, 6] - source[row], 6 * found[row] * np.isin(range(6), [1, 2])[:, None])
        close(styles[row, 0] + styles[row, 6], 2 * source[row])
    assert (images[:, 0] != images[:, 6]).any()


def test_directions_are_the_first_singular_vectors():
    """Of all layers' affine maps at once; the first moves scales more than any other does."""
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(5, n)) for n in (3, 4)]
    params = {
        "synthesis": {f"StyledConv_{i}": {"affine": {"kernel": k}} for i, k in enumerate(kernels)}
    }
    found = directions(params, [0, 1, 7], 5)
    left, values, _ = np.linalg.svd(np.concatenate(kernels, axis=1))
    np.testing.assert_allclose(np.abs(found @ left), np.eye(5), atol=1e-5)
    lengths = [np.linalg.norm(d @ np.concatenate(kernels, axis=1)) for d in found]
    np.testing.assert_allclose(lengths, values, rtol=1e-5)
    with pytest.raises(UsageError, match="none of .* is a layer with scales"):
        directions(params, [7], 1)


def test_mixing_takes_each_layer_from_one_of_two():
    rows, columns = jnp.zeros((2, 4, 3)), jnp.ones((5, 4, 3))
    grid = mixed(rows, columns, [0, 3])
    assert grid.shape == (2, 5, 4, 3)
    np.testing.assert_array_equal(grid[1, 2, :, 0], [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--mix", "--layers", "6"], "must be in 0..5; got 6"),
        (["--mix", "--seeds", "1,2,3"], "an even number"),
        (["--layers", "1"], "of --mix and --sefa"),
        (["--truncation", "inf"], "must be finite"),
        (["--sefa", "0"], "must be positive"),
        (["--sefa", "99"], "--sefa must be at most 8, of w; got 99"),
        (["--sweep", "0,a"], "--sweep must look like"),
        (["--sweep", "1,inf"], "--sweep must be finite"),
        (["--sweep", "1", "--truncation", "1"], "drop --truncation"),
    ],
)
def test_wrong_flags_get_one_line(made, arguments, part):
    with pytest.raises(UsageError) as error:
        made(*arguments)
    assert part in str(error.value) and "\n" not in str(error.value)


def small_generator():
    """An untrained one of 16x16 pixels, whose images differ by their styles."""
    family = NETWORKS["stylegan2"]
    fields = {"channel_base": 256, "channel_max": 16, "mapping_layers": 1}
    gen = family.Generator(image_shape=(16, 16, 1), latent_dim=6, w_dim=6, mapping_lr=1.0, **fields)
    disc = family.Discriminator(image_shape=(16, 16, 1), **fields)
    game = AdversarialGame(gen=gen, disc=disc, loss=LOSSES["hinge"])
    params, variables = jax.jit(lambda z: init(gen, jax.random.key(0), z))(jnp.zeros((1, 6)))
    return space_of(game), {"params": params, "variables": variables}


@pytest.mark.parametrize("kind", ["w", "w+"])
def test_projection_finds_an_image_of_the_generators_own(kind):
    """To a hundredth of the variance of images, from the nearest of others."""
    space, generator = small_generator()
    points = space.points(generator, space.draw(5, 8, None), None, None)
    images = space.images(generator, points, None)
    said = []
    found = find(
        space, generator, images[0], pixel_distance, jax.random.key(1), kind=kind, steps=150,
        tell=lambda *line: said.append(line),
    )  # fmt: skip
    variance = float(jnp.mean(jnp.var(images, axis=0)))
    before, after = (float(np.mean((x - images[0]) ** 2)) for x in (found.start, found.image))
    assert after < 0.01 * variance and after < 0.1 * before
    assert found.styles.shape == (6, 6) and len(said) == len(found.distances) == 150
    if kind == "w":
        np.testing.assert_allclose(found.styles, np.tile(found.styles[:1], (6, 1)))
        known = space.in_layers(points)[0]
        apart = np.linalg.norm(found.styles - known) / np.linalg.norm(known)
        assert apart < 0.1


def test_distances_and_rates_of_projection():
    x = jnp.zeros((1, 16, 16, 1))
    np.testing.assert_allclose(pixel_distance(x + 0.5, x), [0.75])  # of 16, 8 and 4 pixels
    stripes = x.at[:, ::2].set(1.0).at[:, 1::2].set(-1.0)
    np.testing.assert_allclose(pixel_distance(stripes, x), [1.0])  # seen at one scale alone
    rates = [float(ramp(jnp.asarray(t))) for t in (0.0, 0.025, 0.05, 0.5, 0.75, 0.875, 1.0)]
    np.testing.assert_allclose(rates, [0.01, 0.51, 1.0, 1.0, 1.0, 0.5, 0.0], atol=1e-6)
    assert signal_to_noise(np.zeros(4), np.full(4, 0.2)) == pytest.approx(20.0)


def test_who_finds_the_mean_style_has_found_nothing():
    mean, known = np.arange(4.0), np.tile(np.arange(4.0)[::-1], (6, 1))
    assert style_distance(np.tile(mean, (6, 1)), known, mean) == pytest.approx(1.0)
    assert style_distance(known, known, mean) == 0.0
    assert style_distance(2 * known - mean, known, mean) == pytest.approx(1.0)  # as far beyond
    half = np.where(np.arange(6)[:, None] < 3, known, mean)
    assert style_distance(half, known, mean) == pytest.approx(0.5)


def test_the_program_writes_a_picture_and_the_styles(workdir, tmp_path, capsys):
    out = tmp_path / "found"
    flags = ["--workdir", str(workdir), "--steps", "3", "--out", str(out)]
    project.main([*flags, "--seed", "2", "--label", "4", "--features", "none"])
    said = capsys.readouterr().out
    assert "PSNR" in said and "from the known, where the mean style is 1 away" in said
    saved = dict(np.load(out / "projected.npz", allow_pickle=False))
    assert saved["styles"].shape == (6, 8) and saved["distances"].shape == (3,)
    npz = tmp_path / "own.npz"
    sample.main(["--workdir", str(workdir), "--seeds", "2", "--label", "4", "--npz", str(npz)])
    assert np.abs(np.load(npz)["images"][0].astype(int) - saved["target"]).max() <= 1
    with Image.open(out / "comparison.png") as picture:
        assert picture.width == 3 * picture.height

    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "photo.png")
    project.main([*flags, "--image", str(tmp_path / "photo.png"), "--space", "w+"])
    assert "from the known" not in capsys.readouterr().out
    saved = dict(np.load(out / "projected.npz"))
    assert saved["target"].shape == (16, 16, 1) and np.ptp(saved["target"]) == 0
    assert np.isfinite(saved["distances"]).all()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "--image FILE, or --seed N"),
        (["--seed", "1", "--image", "x.png"], "--image FILE, or --seed N"),
        (["--image", "none.png"], "no file none.png"),
        (["--seed", "1", "--label", "10"], "must be in 0..9"),
        (["--seed", "1", "--steps", "0"], "must be positive"),
        (["--seed", "1", "--features", "lpips"], "unknown feature network"),
    ],
)
def test_wrong_flags_of_the_program(workdir, arguments, part):
    with pytest.raises(UsageError) as error:
        project.main(["--workdir", str(workdir), *arguments])
    assert part in str(error.value) and "\n" not in str(error.value)
