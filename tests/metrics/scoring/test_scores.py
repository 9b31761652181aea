import chex
import numpy as np
import pytest

from jaxgan.data.sources import load_dataset
from jaxgan.errors import UsageError
from jaxgan.metrics import frechet_distance_from_features, kernel_distance_full
from jaxgan.metrics.features import FEATURES
from jaxgan.metrics.scoring import OF_INCEPTION, PROTOCOLS, SCORES, Images, Protocol, Scorer
from jaxgan.metrics.scoring.accuracy import classification_accuracy
from jaxgan.metrics.scoring.images import in_classes_of
from jaxgan.metrics.scoring.scores import choose_score, full_name

COUNT = 120
SMALL = Protocol(subsets=3, subset_size=50)


@pytest.fixture(scope="module")
def network():
    return FEATURES["fashion_mnist"].load()


def piece(begin, name, noise=0):
    """Images of the embedded set as a set of their own, perhaps with noise."""
    data = load_dataset("fashion_mnist_10k")
    pixels = data.images[begin : begin + COUNT].astype(np.int32)
    pixels = pixels + np.random.default_rng(0).integers(0, noise + 1, pixels.shape)
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    labels = data.labels[begin : begin + COUNT] % 3
    return Images(name=name, count=COUNT, read=lambda a, b: pixels[a:b], labels=labels)


@pytest.fixture(scope="module")
def sets():
    return piece(0, "real"), piece(200, "fake"), piece(400, "held out"), piece(200, "bad", 200)


OF_MODES = {"mode_counts", "stacked_modes"}  # see test_scores_of_modes.py


@pytest.mark.parametrize("metric", sorted(SCORES.keys() - OF_MODES))
def test_every_score_prefers_images_of_the_set_to_noisy_ones(metric, sets, network, monkeypatch):
    from jaxgan.metrics.scoring import scores

    few = lambda *arguments: classification_accuracy(*arguments, steps=25)
    monkeypatch.setattr("jaxgan.metrics.scoring.accuracy.BATCH", 32)
    monkeypatch.setattr(scores, "classification_accuracy", few)
    real, fake, held_out, noisy = sets
    scorer = Scorer([metric], protocol=SMALL, network=network, real=real, held_out=held_out)
    good, bad = scorer(fake), scorer(noisy)
    name, lower = scorer.watched
    assert name in good.values
    assert all(key.endswith("_fashion_mnist") for key in good.values) or metric in (
        "swd", "ms_ssim", "cas",
    )  # fmt: skip
    assert set(good.spread) <= set(good.values)
    # Noise makes images more different from each other and from all others.
    if metric in ("ms_ssim", "vendi", "authenticity", "memorization", "perceptual_diversity"):
        assert good.values[name] != bad.values[name]
    else:
        assert (good.values[name] < bad.values[name]) == lower


def test_scores_do_not_depend_on_which_others_are_asked_for(sets, network):
    real, fake, *_ = sets
    metrics = ("kd", "cs", "fd", "fd_infinity")
    together = Scorer(metrics, protocol=SMALL, network=network, real=real)(fake)
    for metric in metrics:
        alone = Scorer([metric], protocol=SMALL, network=network, real=real)(fake)
        assert alone.values.items() <= together.values.items()


def test_a_set_against_itself(sets, network):
    real = sets[0]
    scored = Scorer(["fd", "swd", "prdc"], protocol=SMALL, network=network, real=real)(real)
    chex.assert_trees_all_close(scored.values["fd_fashion_mnist"], 0.0, atol=1e-9)
    assert scored.values["swd"] == 0.0
    assert scored.values["precision_fashion_mnist"] == scored.values["recall_fashion_mnist"] == 1.0


def test_protocols_differ_as_they_say(sets, network):
    """Divided by n, covariances and with them equal means' distances shrink by (n - 1) / n."""
    real, fake, *_ = sets
    values = {
        name: Scorer(["fd"], protocol=protocol, network=network, real=real)(fake).values
        for name, protocol in PROTOCOLS.items()
    }
    assert values["tf"] == values["pytorch-fid"] == values["clean-fid"] == values["torch-fidelity"]
    x, y = (
        Scorer(["fd"], protocol=SMALL, network=network, real=piece).real_features
        for piece in (real, fake)
    )
    wanted = frechet_distance_from_features(x, y, ddof=0)
    assert values["stylegan"]["fd_fashion_mnist"] == wanted
    assert wanted < values["tf"]["fd_fashion_mnist"]


def test_the_error_of_a_small_kernel_distance_is_that_of_the_sets(sets, network):
    """A subset that takes every image draws always the same, and tells of no noise."""
    real, fake, *_ = sets
    whole = Protocol(subsets=3, subset_size=1000)
    spread = Scorer(["kd"], protocol=whole, network=network, real=real)(fake).spread
    x, y = (
        Scorer(["kd"], protocol=whole, network=network, real=piece).real_features
        for piece in (real, fake)
    )
    assert spread["kd_fashion_mnist"] == kernel_distance_full(x, y).standard_error > 1e-4


def of_classes(labels, *classes):
    labels = np.array(labels)
    return Images(
        name=f"of {len(classes)}", count=len(labels), labels=labels, classes=classes,
        read=lambda a, b: np.zeros((b - a, 4, 4, 1), np.uint8),
    )  # fmt: skip


def test_classes_are_matched_by_their_names():
    numbers, text = (
        of_classes([0], "0", "1", "2", "10"),
        of_classes([0, 1, 2, 3], "0", "1", "10", "2"),
    )
    assert in_classes_of(text, numbers).labels.tolist() == [0, 1, 3, 2]
    fewer = in_classes_of(of_classes([0, 1, 1], "1", "10"), numbers)
    assert fewer.labels.tolist() == [1, 3, 3] and fewer.classes == numbers.classes
    shares = np.float32([[0.25, 0.75]])
    vectors = in_classes_of(of_classes(shares, "10", "0"), numbers)
    np.testing.assert_array_equal(vectors.labels, [[0.75, 0, 0, 0.25]])


def test_numbers_stay_where_there_are_no_names_and_unknown_names_are_refused():
    named, numbered = of_classes([1], "cat", "dog"), of_classes([0])
    assert in_classes_of(named, numbered) is named and in_classes_of(numbered, named) is numbered
    with pytest.raises(UsageError, match="of 3 has classes that of 2 has not: bee"):
        in_classes_of(of_classes([0], "bee", "cat", "dog"), named)


def test_protocols_change_the_input_of_the_inception_alone():
    for protocol in PROTOCOLS.values():
        assert protocol.of(FEATURES["mnist"]) is FEATURES["mnist"]
    seen = {name: protocol.of(FEATURES["inception"]) for name, protocol in PROTOCOLS.items()}
    assert (seen["pytorch-fid"].resize, seen["pytorch-fid"].mean) == ("half_pixel", 127.5)
    assert seen["clean-fid"].resize == "pil_bicubic"
    assert seen["tf"] == seen["stylegan"] == seen["torch-fidelity"] == FEATURES["inception"]


@pytest.mark.parametrize("ours, kind", OF_INCEPTION.items())
def test_names_of_the_inception_belong_to_it(ours, kind):
    assert choose_score(ours, "inception").fn is SCORES[kind].fn
    for other in ("fashion_mnist", ""):
        with pytest.raises(UsageError, match=f"{ours} means the features of inception"):
            choose_score(ours, other)
    assert full_name(kind, "inception", verified=True) == ours
    assert full_name(kind, "inception", verified=False) == f"{kind}_inception_unverified"
    assert full_name(kind, "mnist", verified=True) == f"{kind}_mnist"


def nearest_neighbour(real_features, fake_features):
    return float(np.linalg.norm(fake_features[:, None] - real_features[None], axis=-1).min())


def greedy(real_features, disc):
    return 0.0


def test_a_metric_of_elsewhere(sets, network):
    name = f"{__name__}:nearest_neighbour"
    real, fake, *_ = sets
    scored = Scorer([name], protocol=SMALL, network=network, real=real)(fake)
    assert scored.values["nearest_neighbour_fashion_mnist"] > 0
    with pytest.raises(UsageError, match="asks for disc; it may ask for real_features"):
        choose_score(f"{__name__}:greedy", "mnist")


@pytest.mark.parametrize(
    "metric, features, part",
    [
        ("fdd", "mnist", "did you mean 'fd'"),
        ("fd", "", "needs a feature network"),
        ("memorization", "fashion_mnist", "needs held-out real images"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_computed(metric, features, part, sets):
    chosen = FEATURES[features].load() if features else None
    with pytest.raises(UsageError, match=part):
        Scorer([metric], protocol=SMALL, network=chosen, real=sets[0])


def test_images_that_the_network_does_not_take_are_refused_at_once(network, sets):
    coloured = Images(name="rgb", count=4, read=lambda a, b: np.zeros((b - a, 8, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="images of shape .* for fashion_mnist.*choose other"):
        Scorer(["fd"], protocol=SMALL, network=network, real=coloured)
    Scorer(["stacked_modes"], protocol=SMALL, network=network, real=coloured)  # channel by channel


def test_fakes_without_labels_have_no_score_within_classes(sets, network):
    real, fake, *_ = sets
    scorer = Scorer(["intra_fd"], protocol=SMALL, network=network, real=real)
    with pytest.raises(UsageError, match="classes of the fakes"):
        scorer(Images(name="fake", count=COUNT, read=fake.read))


def test_classification_accuracy_is_high_where_fakes_teach_the_classes(monkeypatch):
    monkeypatch.setattr("jaxgan.metrics.scoring.accuracy.BATCH", 32)
    data = load_dataset("fashion_mnist_10k")
    two = np.flatnonzero(np.isin(data.labels, (1, 8)))[:400]  # trousers and bags
    images, labels = data.images[two], (data.labels[two] == 8).astype(np.int32)
    sets = images[:300], labels[:300], images[300:], labels[300:]
    assert classification_accuracy(*sets, steps=25) > 0.95
    wrong = images[:300], 1 - labels[:300], images[300:], labels[300:]
    assert classification_accuracy(*wrong, steps=25) < 0.05
