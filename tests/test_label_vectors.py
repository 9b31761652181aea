"""Labels that are vectors: several classes at once, shares of them, or any numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ROOT, SMALL

from jaxgan import evaluate, main, sample
from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.data.dataset import SHOWN, Dataset
from jaxgan.errors import UsageError
from jaxgan.objectives.class_terms import cross_entropy
from jaxgan.trained import load_generator

CLASSES = 3


def write(folder, labels, **arrays):
    """A set of images 16x16 whose brightness follows the first entry of the label."""
    noise = np.random.default_rng(0).integers(0, 56, (len(labels), 16, 16, 1))
    first = np.asarray(labels)[:, 0] if np.ndim(labels) == 2 else np.asarray(labels) == 0
    bright = np.clip(200 * first, 0, 200)[:, None, None, None]
    path = folder / "images.npz"
    np.savez(path, images=(noise + bright).astype(np.uint8), labels=labels, **arrays)
    return path


def given(path, network="mlp", disc=None, conditioning="", **more):
    gen = {"name": network, **SMALL[network], "latent_dim": 8}
    disc = {"name": disc or network, **SMALL[disc or network]}
    disc |= {"conditioning": conditioning} if conditioning else {}
    fields = {
        "data": {"name": "npz", "dir": str(path), "batch_size": 8, "labels": True},
        "gen": gen, "disc": disc, "eval.every": 0, "sample.every": 0, "train.steps": 2,
        "log.every": 1, **more,
    }  # fmt: skip
    return [f"--config.{name}={value}" for name, value in fields.items()]


def train(workdir, path, *networks, **more):
    config = f"{ROOT}/configs/dcgan_fashion.py"
    main.main(["--config", config, "--workdir", str(workdir), *given(path, *networks, **more)])
    return workdir


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Continuous labels [40, CLASSES]."""
    labels = np.random.default_rng(1).normal(size=(40, CLASSES)).astype(np.float32)
    return write(tmp_path_factory.mktemp("vectors"), labels)


@pytest.fixture(scope="module")
def trained(vectors, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "a"
    return train(workdir, vectors, **{"sample.every": 1, "train.steps": 1})


@pytest.mark.parametrize("disc", ["mlp", "dcgan"])
def test_vectors_with_a_single_one_train_as_the_classes_do(disc, tmp_path):
    """The same parameters after two steps, from the same seed."""
    numbers = np.random.default_rng(2).integers(0, CLASSES, 40)
    states = []
    for kind, labels in (("classes", numbers), ("vectors", np.eye(CLASSES)[numbers])):
        (tmp_path / kind).mkdir()
        path = write(tmp_path / kind, labels)
        workdir = train(tmp_path / kind / "run", path, "mlp", disc)
        states.append(load_generator(workdir).generator)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5), *states)


@pytest.mark.parametrize("network", ["dcgan", "dcgan_keras", "resnet", "biggan", "biggan_deep",
                                     "light", "r3gan", "stylegan2"])  # fmt: skip
@pytest.mark.parametrize("conditioning", ["", "projection", "product", "acgan"])
def test_every_network_trains_with_vectors(network, conditioning, vectors):
    if conditioning and network in ("dcgan_keras", "stylegan2"):
        pytest.skip("has its own way")
    config = load_config(f"{ROOT}/configs/dcgan_fashion.py", given(vectors, network))
    if conditioning:
        config.disc.conditioning = conditioning
    experiment = build(config)  # traces a step
    shape = experiment.run.feed.batch(
        experiment.run.feed.inputs(0), jax.random.key(0), 0
    )["label"].shape  # fmt: skip
    assert shape[-1] == experiment.run.game.gen.num_classes == CLASSES


def test_a_run_shows_its_own_vectors_and_others_that_are_asked_for(trained, vectors, tmp_path):
    game = load_generator(trained).game
    labels = np.load(vectors)["labels"]
    assert len(game.label_vectors) == SHOWN
    assert {tuple(row) for row in np.float32(game.label_vectors)} <= {tuple(row) for row in labels}
    out = tmp_path / "fakes.npz"

    def drawn(*arguments):
        sample.main(["--workdir", str(trained), "--npz", str(out), *map(str, arguments)])
        return dict(np.load(out))

    of_run = drawn("--num", SHOWN)
    np.testing.assert_array_equal(of_run["labels"], np.float32(game.label_vectors))
    one = drawn("--num", 2, "--label", 3)
    np.testing.assert_array_equal(one["labels"], np.float32(game.label_vectors)[[3, 3]])
    arguments = "--vector", "9,0,0.5", "--vector=-9,0,0.5"
    asked = drawn("--num", 2, "--label", "all", *arguments)
    assert asked["labels"].tolist() == [[9.0, 0.0, 0.5]] * 2 + [[-9.0, 0.0, 0.5]] * 2
    assert (asked["images"][:2] != asked["images"][2:]).any()
    assert len(drawn("--walk", 2, "--out", tmp_path / "w.gif", *arguments)["labels"]) == 4
    assert len(drawn("--interpolate", 2, *arguments)["labels"]) == 16
    assert drawn("--batch_stats", "standing", "--num", 1)["images"].shape == (1, 16, 16, 1)


@pytest.mark.parametrize("vector", ["1,2", "1,2,3,4", "1,x,2", "1,nan,2", ""])
def test_a_wrong_vector_is_refused(vector, trained):
    with pytest.raises(UsageError, match="--vector"):
        sample.main(["--workdir", str(trained), "--npz", "no.npz", "--vector", vector])


def test_evaluation_gives_fakes_the_vectors_of_reals(trained, capsys):
    arguments = ["--workdir", str(trained), "--num", "32", "--metrics"]
    evaluate.main([*arguments, "swd"])
    assert "swd" in capsys.readouterr().out
    with pytest.raises(UsageError, match="needs classes of the real images"):
        evaluate.main([*arguments, "intra_fd", "--features", "fashion_mnist"])


def test_a_term_that_needs_one_class_says_so(vectors):
    overrides = given(vectors, "mlp", "dcgan", "d2d_ce", terms={"d2d_ce": {}})
    with pytest.raises(UsageError, match="one class for each image.*float32"):
        build(load_config(f"{ROOT}/configs/dcgan_fashion.py", overrides))


def test_cross_entropy_of_several_classes_is_a_question_of_each():
    logits = jax.random.normal(jax.random.key(0), (5, CLASSES)) * 30
    labels = jax.random.uniform(jax.random.key(1), (5, CLASSES))
    expected = optax.sigmoid_binary_cross_entropy(logits, labels).sum(axis=1)
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-5)
    assert cross_entropy(logits.astype(jnp.bfloat16), labels).dtype == jnp.float32


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (np.zeros((3, 2)), ("a", "b"), "expected \\[4, 2\\]"),
        (np.zeros((4, 2)), ("a",), "an entry for each name"),
        (np.zeros((4, 0)), (), "an entry for each name"),
        (np.full((4, 2), np.nan), ("a", "b"), "4 labels are not finite"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(labels, classes, message):
    images = np.zeros((4, 8, 8, 1), np.uint8)
    with pytest.raises(UsageError, match=message):
        Dataset(name="x", images=images, labels=labels, classes=classes)
