"""From the command line to a locked config, and the lines that wrong input gets."""

import json

import pytest
from conftest import CONFIGS, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.choices import choose
from jaxgan.config import differences, flatten, from_json, load_config, to_json
from jaxgan.errors import UsageError
from jaxgan.objectives.losses import LOSSES, Loss
from jaxgan.schema import DEFAULTS, TERM, complete

DEFAULT = f"{ROOT}/configs/dcgan_fashion.py"
RELIED_ON = (
    "seed", "loss", "data.name", "data.dir", "data.batch_size", "train.steps", "train.ema",
    "log.every", "sample.every", "eval.every", "checkpoint.every",
    "gen.name", "disc.name", "optim.gen.name", "optim.disc.name", "optim.gen.lr", "optim.disc.lr",
)  # fmt: skip


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
@pytest.mark.parametrize("variant", ["", ":smoke"])
def test_every_config_has_the_fields_that_scripts_rely_on(path, variant):
    config = load_config(f"{path}{variant}")
    fields = flatten(config)
    assert set(RELIED_ON) <= fields.keys()
    assert "terms" in config
    assert config.is_locked
    assert f"configs/{path.name}" in path.read_text(), "opens with the command that runs it"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_json_holds_the_whole_config(path):
    config = load_config(str(path))
    again = from_json(to_json(config))
    assert again == config
    assert differences(config, again) == []
    assert complete(again) == config


def test_overrides():
    config = load_config(
        DEFAULT,
        ["--config.loss=hinge", "--config.train.steps", "7", "--config.optim.gen.lr=1",
         "--config.terms={'r2': {'interval': 4}}"],
    )  # fmt: skip
    assert (config.loss, config.train.steps, config.optim.gen.lr) == ("hinge", 7, 1.0)
    assert config.terms.to_dict() == {"r2": TERM | {"interval": 4}}


def test_a_term_can_be_added_by_its_fields():
    config = load_config(DEFAULT, ["--config.terms.r1.weight=0.5", "--config.terms.r1.interval=16"])
    assert config.terms.to_dict() == {"r1": TERM | {"weight": 0.5, "interval": 16}}


@pytest.mark.parametrize(
    ("overrides", "terms"),
    [
        (["--config.terms={}", "--config.terms.r1.weight=3"], {"r1": TERM | {"weight": 3.0}}),
        (["--config.terms.r1={'weight': 3}"], {"r1": TERM | {"weight": 3.0}}),
        (
            ["--config.terms.r1={'weight': 3}", "--config.terms.r1.interval=4"],
            {"r1": TERM | {"weight": 3.0, "interval": 4}},
        ),
        (
            ["--config.terms.mine.name=r1", "--config.terms.mine.weight=2"],
            {"mine": TERM | {"name": "r1", "weight": 2.0}},
        ),
        (
            ["--config.terms.wgan_gp.player=disc"],
            {"wgan_gp": load_config(DEFAULT, ["--config.terms={'wgan_gp': {}}"]).terms.wgan_gp
             .to_dict() | {"player": "disc"}},
        ),
    ],
)  # fmt: skip
def test_a_term_is_said_as_a_whole_or_by_its_fields(overrides, terms):
    assert load_config(DEFAULT, overrides).terms.to_dict() == terms


def test_the_last_of_many_seeds_is_a_seed():
    many = "--config.seeds=2"
    assert load_config(DEFAULT, [many, f"--config.seed={2**32 - 2}"]).seeds == 2
    with pytest.raises(UsageError, match="less than .*and so must the last of 2"):
        load_config(DEFAULT, [many, f"--config.seed={2**32 - 1}"])


def test_another_network_keeps_what_it_shares_with_the_files():
    config = load_config(DEFAULT, ["--config.gen.name=mlp", "--config.gen.hidden=(8,)"])
    assert config.gen.name == "mlp"
    assert config.gen.hidden == (8,)
    assert config.gen.latent_dim == 100
    assert "width" not in config.gen
    assert config.disc.name == "dcgan"


def test_differences_name_the_fields():
    old, new = load_config(DEFAULT), load_config(DEFAULT, ["--config.loss=hinge"])
    assert differences(old, new) == ["loss: non_saturating -> hinge"]


WRONG = {
    "--config.los=hinge": ["config.los", "did you mean config.loss?"],
    "--config.train.step=5": ["config.train.step", "did you mean config.train.steps"],
    "--config.gen.widht=5": ["config.gen.widht", "config.gen.width"],
    "--config.train.steps=many": ["config.train.steps must be int; got 'many'"],
    "--config.gen.width=abc": ["config.gen.width must be int; got 'abc'"],
    "--config.optim.gen.lr=nan": ["config.optim.gen.lr must be finite"],
    "--config.seed=99999999999999999999": ["config.seed must be less than 2**32"],
    "--config.terms.r1.weigth=1": ["config.terms.r1.weigth", "config.terms.r1.weight"],
    "--config.augment={'instance_noise': 3}": ["config.augment.instance_noise must be a dict"],
    "--config.gen.name=os:path": ["os:path"],
    "--config.gen.name=.x:foo": ["cannot import '.x'", "TypeError"],
    "--config.terms.r1.steps=100": ["config.terms.r1.steps=100 needs a schedule"],
    "--config.terms.r1.steps=-1": ["terms.r1.steps must not be negative"],
    "--config.top_k.every=7": ["top_k.every=7 changes nothing"],
    "--config.terms.r1.interval=1.5": ["config.terms.r1.interval must be int"],
    "--config.train.steps=0": ["config.train.steps must be positive; got 0"],
    "--config.data.batch_size=-4": ["config.data.batch_size must be positive; got -4"],
    "--config.sample.every=-1": ["config.sample.every must not be negative"],
    "--config.gen.width=0": ["config.gen.width must be positive"],
    "--config.train.ema=1.5": ["config.train.ema must be in [0, 1)"],
    "--config.optim.gen.lr=-1": ["config.optim.gen.lr must be positive"],
    "--config.gen.name=dcgn": ["unknown network", "did you mean 'dcgan'"],
    "--config.gen={}": ["config.gen.name is missing"],
    "--config.terms={'r1': 3}": ["config.terms.r1 must be a dict"],
    "--config.loss": ["has no value"],
    "--config.steps=5": ["did you mean config.train.steps?"],
    "--config.lr=1": ["did you mean config.optim.disc.lr or config.optim.gen.lr?"],
    "--config.train.ema_ramp=0.05": ["changes nothing without config.train.ema_half_life"],
    "--config.init.skip=('gen',)": ["changes nothing without config.init.workdir"],
    "--config.terms.r1.final=0.1": ["config.terms.r1.final=0.1 needs a schedule"],
    "--config.optim.gen.final=0.1": ["config.optim.gen.final=0.1 needs a schedule"],
    "--bogus=3": ["--bogus=3"],
    "stray": ["stray"],
}


@pytest.mark.parametrize("override", WRONG)
def test_wrong_override_is_one_clear_line(override):
    with pytest.raises(UsageError) as error:
        load_config(DEFAULT, [override])
    message = str(error.value)
    assert "\n" not in message
    for part in WRONG[override]:
        assert part in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x = 1", "no function get_config"),
        ("def get_config(:", "invalid syntax"),
        ("from ml_collections import ConfigDict\ndef get_config():\n"
         "  return ConfigDict({'sed': 1})",
         "unknown config field config.sed"),
        ("from ml_collections import ConfigDict\ndef get_config():\n"
         "  return ConfigDict({'seed': 'one'})", "config.seed must be int"),
        ("def get_config():\n  return 3", "must return a ConfigDict"),
    ],
)  # fmt: skip
def test_wrong_file_is_one_clear_line(text, part, tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load_config(str(path))
    assert part in str(error.value)


def test_missing_file_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean .*dcgan_fashion.py"):
        load_config(f"{ROOT}/configs/dcgan_fasion.py")
    with pytest.raises(UsageError, match="unknown variant"):
        load_config(f"{DEFAULT}:smok")


def test_a_file_may_have_variants_of_its_own(tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text(
        "from ml_collections import ConfigDict\n"
        "def get_config(variant='small'):\n"
        "  config = ConfigDict(dict(gen=dict(name='mlp'), disc=dict(name='mlp')))\n"
        "  config.train = {'steps': {'small': 3, 'large': 5}[variant]}\n"
        "  return config\n"
    )
    assert load_config(str(path)).train.steps == 3
    assert load_config(f"{path}:large").train.steps == 5


PATHS = sorted(flatten(load_config(DEFAULT)))
NAMES = ["mlp", "rmsprop", "folder", "os:path", "os:getcwd", "nowhere:x", "hinge", "", "None"]
NUMBERS = ["0", "-1", "1e400", "nan", "99999999999999999999", "0.5", "(1, 2)", "{}", "true"]


OVERRIDES = st.tuples(
    st.sampled_from(PATHS) | st.text(max_size=12),
    st.sampled_from(NAMES) | st.sampled_from(NUMBERS) | st.text(max_size=10),
).map("--config.{0[0]}={0[1]}".format)


@settings(max_examples=200)
@given(st.lists(OVERRIDES | st.text(max_size=10), min_size=1, max_size=3))
def test_no_override_ends_in_anything_but_a_usage_error(overrides):
    try:
        config = load_config(DEFAULT, overrides)
    except UsageError as error:
        assert str(error)
    else:
        assert from_json(to_json(config)) == config


def test_optimizers_data_terms_and_augments_bring_their_own_fields():
    config = load_config(
        DEFAULT,
        ["--config.optim.gen.name=rmsprop", "--config.optim.gen.decay=0.5",
         "--config.optim.disc.name=sgd", "--config.optim.disc.momentum=0.9",
         "--config.data.name=tfds", "--config.data.builder=emoji",
         "--config.terms.wgan_gp.weight=10", "--config.terms.wgan_gp.target=0.0",
         "--config.augment.instance_noise.sigma=0.2", "--config.gen.name=mlp",
         "--config.gen.hidden=(8,)", "--config.gen.hidden=(9,)"],
    )  # fmt: skip
    assert config.optim.gen.decay == 0.5 and "b1" not in config.optim.gen
    assert config.optim.disc.momentum == 0.9
    assert config.data.builder == "emoji"
    assert config.terms.wgan_gp.to_dict() == TERM | {"weight": 10.0, "target": 0.0}
    assert config.augment.instance_noise.to_dict() == {"sigma": 0.2, "until": 0}
    assert config.gen.hidden == (9,)


def test_defaults_are_a_complete_config_but_for_the_networks():
    config = complete({**DEFAULTS, "gen": {"name": "mlp"}, "disc": {"name": "mlp"}})
    assert config.disc.dropout == 0.0


@given(st.text(max_size=40) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*DEFAULTS, "name", "x"]), inner, max_size=4),
    max_leaves=8,
).map(json.dumps))  # fmt: skip
def test_of_any_json_comes_a_config_or_an_error(text):
    try:
        from_json(text)
    except UsageError as error:
        assert str(error).strip()


MINE = Loss(disc=lambda real, fake: fake - real, gen=lambda real, fake: -fake)


def test_objects_of_elsewhere_are_named_like_functions():
    assert choose("loss", LOSSES, f"{__name__}:MINE") is MINE
    with pytest.raises(UsageError, match="has no function or Loss 'DEFAULT'"):
        choose("loss", LOSSES, f"{__name__}:DEFAULT")


def test_a_whole_section_and_a_field_of_it_in_any_order():
    section, field = "--config.gen={'name': 'dcgan', 'width': 4}", "--config.gen.halvings=3"
    path = f"{ROOT}/configs/relativistic_stacked_mnist.py"  # its generator has no such field
    for overrides in ([section, field], [field, section]):
        gen = load_config(path, overrides).gen
        assert (gen.name, gen.width, gen.halvings) == ("dcgan", 4, 3)
    rate = load_config(path, ["--config.optim.disc={'name': 'sgd'}", "--config.optim.disc.lr=0.5"])
    assert (rate.optim.disc.name, rate.optim.disc.lr) == ("sgd", 0.5)
    assert "b1" not in rate.optim.disc
