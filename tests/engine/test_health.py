import itertools

import numpy as np
import pytest

from jaxgan.engine.health import EARLY, LINES, Health, spread
from jaxgan.engine.history import History

REAL = np.random.default_rng(0).normal(size=(64, 4, 4, 1))


def health(folder):
    return Health(REAL, History(folder / "events.jsonl"))


def lines(watch, loss, real, fake, count=LINES):
    for step in range(count):
        watch.see_metrics(10 * (step + 1), {
            "disc/adversarial": loss, "disc/real_logit": real, "disc/fake_logit": fake
        })  # fmt: skip


def test_spread_is_the_root_mean_square_distance():
    points = np.random.default_rng(1).normal(size=(7, 3))
    squares = [((a - b) ** 2).sum() for a, b in itertools.combinations(points, 2)]
    np.testing.assert_allclose(spread(points), np.sqrt(np.mean(squares)), rtol=1e-6)
    assert spread(np.ones((5, 2, 2, 1))) == 0 and spread(np.ones((1, 3))) == 0


def test_a_collapsed_generator_is_warned_of_once(tmp_path, capsys):
    watch, rng = health(tmp_path), np.random.default_rng(2)
    close = 0.05 * rng.normal(size=(1, 64, 4, 4, 1))
    watch.see_samples(EARLY - 1, close)
    watch.see_samples(EARLY, 0.5 * rng.normal(size=(1, 64, 4, 4, 1)))
    assert capsys.readouterr().err == ""
    watch.see_samples(EARLY + 10, close)
    watch.see_samples(EARLY + 20, close)
    assert capsys.readouterr().err.count("collapsed") == 1
    (event,) = History(tmp_path / "events.jsonl").summary()["warnings"]
    assert (
        event["event"] == "collapsed"
        and event["step"] == EARLY + 10
        and 0.04 < event["spread"] < 0.06
    )
    seeds = np.concatenate([rng.normal(size=(1, 64, 4, 4, 1)), close])
    (tmp_path / "b").mkdir()
    other = health(tmp_path / "b")
    other.see_samples(EARLY, seeds)
    assert History(tmp_path / "b" / "events.jsonl").warnings


@pytest.mark.parametrize("loss, real, fake, saturated", [
    (1e-4, 9.0, -9.0, True),  # non-saturating, minimax
    (0.0, 2.0, -3.0, True),  # hinge
    (2e-4, 1.0, 0.0, True),  # least squares
    (-5.0, 3.0, -2.0, False),  # Wasserstein
    (1e-4, 0.1, 0.1, False),  # Wasserstein at the start
    (1.38, 0.1, -0.1, False),
    (np.array([1.2, 1e-5]), np.array([0.0, 9.0]), np.array([0.0, -9.0]), True),  # one seed of two
])  # fmt: skip
def test_a_saturated_discriminator_is_told_by_its_loss(loss, real, fake, saturated, tmp_path):
    watch = health(tmp_path)
    lines(watch, loss, real, fake, LINES - 1)
    assert not History(tmp_path / "events.jsonl").warnings
    lines(watch, loss, real, fake, 1)
    assert bool(History(tmp_path / "events.jsonl").warnings) == saturated


def test_what_was_warned_of_is_met_again_by_a_run_that_resumes_before_it(tmp_path):
    lines(health(tmp_path), 0.0, 9.0, -9.0)
    history = History(tmp_path / "events.jsonl")
    history.add("rollback", 50, broken=["gen/loss"], best={})
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "roll')  # torn
    history = History(tmp_path / "events.jsonl")
    history.restart(20)
    assert [event["event"] for event in history.rollbacks] == ["rollback"]
    assert history.warnings == [] and "warnings" not in history.summary()
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 1
    assert History(tmp_path / "none.jsonl").summary() == {}


def test_a_seed_that_diverged_hides_no_other_that_collapsed(tmp_path, capsys):
    watch = health(tmp_path)
    watch.see_samples(EARLY, np.stack([np.full((64, 4, 4, 1), np.nan), np.zeros((64, 4, 4, 1))]))
    assert capsys.readouterr().err.count("collapsed") == 1
    lines(watch, *(np.array([np.nan, value]) for value in (1e-6, 20.0, -20.0)))
    event = History(tmp_path / "events.jsonl").summary()["warnings"][-1]
    assert event["event"] == "saturated" and event["disc_loss"] == 1e-6
