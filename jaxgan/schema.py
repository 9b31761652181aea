"""The fields that a config has: the engine's own, and those of whatever the config names.

A network, optimizer, data set, term or augmentation is chosen by name, and the parameters of the
chosen function that have defaults are its fields. So a new one needs no second description here.
"""

import copy
import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import flax.linen as nn
from ml_collections import ConfigDict

from jaxgan.choices import choose, options_of
from jaxgan.data.sources import DATASETS
from jaxgan.engine.methods import METHODS, Method
from jaxgan.errors import UsageError, unknown
from jaxgan.networks import NETWORKS, Family
from jaxgan.networks.apply import DTYPES
from jaxgan.objectives.augment import AUGMENTS, Augmentation
from jaxgan.objectives.optimizers import OPTIMIZERS
from jaxgan.objectives.terms import TERMS, Term

OPTIMIZER = {
    "name": "adam",
    "lr": 2e-4,
    "schedule": "constant",  # constant, linear, cosine
    "warmup_steps": 0,
    "final": 0.0,  # where linear and cosine end, as a fraction of lr
    "clip_weights": 0.0,  # every parameter stays in [-c, c]; 0: off
    "clip_grad_norm": 0.0,  # 0: off
}
TERM = {
    "weight": 1.0,
    "weight_by": "constant",  # or size: the weight counts H * W / batch_size times
    "interval": 1,
    "schedule": "constant",  # of the weight: constant, linear, cosine
    "final": 1.0,  # where linear and cosine end, as a fraction of weight
    "steps": 0,  # and when; 0: with the training
}
DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "seeds": 1,  # so many runs in one program, of seed, seed + 1, ...
    "loss": "non_saturating",
    "loss_weight": {"disc": 1.0, "gen": 1.0},  # of the loss itself, beside the terms
    "terms": {},  # name -> {weight, interval, and what the term takes}
    # The generator learns from its best fakes: a share that falls by `decay` every so many steps.
    "top_k": {"least": 1.0, "decay": 0.99, "every": 1000},  # least 1: from all
    "augment": {},  # name -> {what it takes}: what happens to all that the discriminator sees
    "gen": {},
    "disc": {},
    "enc": {},  # a network that encodes images: the discriminator then sees pairs (ALI, BiGAN)
    # Other beginnings than at random. Parts are patterns of paths: "disc/Conv_0", "gen/*/bias".
    "init": {
        "workdir": "",  # of a run whose networks this one begins with
        "checkpoint": "last",  # of it: last, best or a step
        "member": 0,  # of it, where `seeds` trained several
        "skip": (),  # parts that begin at random all the same
        "freeze": (),  # parts that never change, wherever they are from
    },
    "method": {"name": "alternating"},  # and its options: how the players' updates make a step
    "optim": {"gen": OPTIMIZER, "disc": OPTIMIZER},
    "data": {
        "name": "fashion_mnist_10k",
        "dir": "",
        "split": "train",
        "batch_size": 64,
        "resolution": 0,  # 0: the set's own
        "channels": 0,  # 0: the set's own
        "resize": "lanczos",
        "crop": "center",
        "flip": False,  # mirror half of the images
        "labels": False,  # True: both networks are given the labels
        "on_bad_image": "raise",  # or skip
    },
    "train": {
        "steps": 4000,
        "disc_turns": 1,  # updates of the discriminator in a step
        "gen_turns": 1,
        "packing": 1,  # images that the discriminator sees as one; batch_size counts single ones
        "ema": 0.999,  # decay of the averaged generator in a step; 0: no averaging
        "ema_half_life": 0,  # in images, instead of the decay; 0: the decay
        "ema_ramp": 0.0,  # the half-life is at most this share of the images seen; 0: any
        "ema_schedule": "constant",  # of the half-life; linear, cosine: from 0 over the training
        "dtype": "float32",  # or bfloat16: what the networks compute in
        "steps_per_call": 1,  # on the device between two looks of the host; more helps small nets
        "microbatches": 1,  # parts that a batch is played in, for memory; gradients are of all
        "remat": False,  # networks keep no activations for gradients, for memory: a pass more
        "cpu_devices": 0,  # so many share a CPU's cores; 0: one, or those that share the seeds
        "state_shards": 1,  # devices that share one copy of the state; 1: each has all of it
        "rollbacks": 0,  # so often a run that is not finite goes back and on with other data
    },
    "log": {"every": 50},
    "sample": {"every": 500},  # 0: never
    "eval": {
        "every": 0,  # 0: never
        "metrics": ("swd",),  # the checkpoint that is best by the first of them is kept
        "features": "",  # the network whose features they are computed of, if any
        "weights": "",  # its file of weights; "": from where they belong
        "protocol": "torch-fidelity",
        "batch_stats": "ema",  # of batch norm: collected in training; standing: measured anew
        "num": 1024,  # fakes
        "num_real": 0,  # at most so many real images; 0: the whole split
    },
    "checkpoint": {
        "every": 1000,
        "keep": 2,
        "keep_every": 0,
        "retry_seconds": 0.0,  # where one cannot be written (a full disk), so long it is tried
    },
}
# What a resolved config adds: facts of the data set, from which sampling builds the networks.
RESOLVED = ("image_shape", "num_classes", "num_examples", "label_vectors")
POSITIVE = (
    "seeds",
    "data.batch_size",
    "train.steps",
    "train.disc_turns",
    "train.gen_turns",
    "train.packing",
    "train.steps_per_call",
    "train.microbatches",
    "train.state_shards",
    "top_k.every",
    "log.every",
    "checkpoint.keep",
    "eval.num",
    "optim.gen.lr",
    "optim.disc.lr",
)
NOT_NEGATIVE = (
    "seed",
    "data.resolution",
    "data.channels",
    "sample.every",
    "eval.every",
    "checkpoint.every",
    "checkpoint.keep_every",
    "checkpoint.retry_seconds",
    "train.rollbacks",
    "train.cpu_devices",
    "init.member",
    "eval.num_real",
    "train.ema_half_life",
    "train.ema_ramp",
)


def complete(config: ConfigDict | dict) -> ConfigDict:
    """A locked copy of `config` with every default filled in.

    Raises:
      UsageError: a field that does not exist, or of another type than its default.
    """
    given = to_plain(config)
    chosen = ("terms", "augment", "gen", "disc", "enc", "method", "optim", "data")
    rest = {name: value for name, value in given.items() if name not in chosen}
    filled = fill(DEFAULTS, rest, "")
    for name in chosen:
        section = given.get(name, {})
        if not isinstance(section, dict):
            raise UsageError(f"config.{name} must be a dict; got {section!r}")
        if name == "optim":
            filled[name] = fill(DEFAULTS[name], {}, "") | {
                player: section_of(f"optim.{player}", section.get(player, {}))
                for player in DEFAULTS[name].keys() | section.keys()
            }
        elif name in ("terms", "augment"):
            filled[name] = {
                entry: section_of(f"{name}.{entry}", fields) for entry, fields in section.items()
            }
        else:
            filled[name] = section_of(name, section)
    return ConfigDict(filled).lock()


def section_of(path: str, given: Any) -> dict[str, Any]:
    """The section at `path` with the defaults of what it names."""
    if not isinstance(given, dict):
        raise UsageError(f"config.{path} must be a dict such as {{'weight': 1.0}}; got {given!r}")
    fields = fields_of(path, given)
    free = {name: given[name] for name in FREE[path.split(".")[0]] if name in given}
    return fill(fields, {k: v for k, v in given.items() if k not in free}, f"{path}.") | free


# Fields that have no default: they stand in a section only where they are given.
FREE = {
    "terms": ("name", "player"),
    "augment": ("name",),
    "gen": (),
    "disc": (),
    "enc": (),
    "method": (),
    "optim": (),
    "data": RESOLVED,
}


def fields_of(path: str, given: dict) -> dict[str, Any]:
    """All fields of the section at `path`, given what it names, with their defaults."""
    section, _, entry = path.partition(".")
    return SECTIONS[section](path, entry, given)


def player_fields(path: str, entry: str, given: dict) -> dict[str, Any]:
    """Of gen, disc or enc, which are named after the player."""
    if "name" not in given:
        names = ", ".join(sorted(NETWORKS))
        raise UsageError(f"config.{path}.name is missing; choose from {names}")
    return {"name": given["name"], **network_fields(network(path, given["name"]))}


def encoder_fields(path: str, entry: str, given: dict) -> dict[str, Any]:
    """A config without an encoder has an empty section."""
    return player_fields(path, entry, given) if given else {}


def method_fields(path: str, entry: str, given: dict) -> dict[str, Any]:
    name = given.get("name", DEFAULTS["method"]["name"])
    options = simple(options_of(method(name).make))
    return {"name": name} | {k: v for k, v in options.items() if k != "ema"}


def optimizer_fields(path: str, entry: str, given: dict) -> dict[str, Any]:
    if entry not in DEFAULTS["optim"]:
        raise unknown_field(path, [f"optim.{player}" for player in DEFAULTS["optim"]])
    name = given.get("name", OPTIMIZER["name"])
    options = simple(options_of(choose(f"optimizer (config.{path}.name)", OPTIMIZERS, name)))
    return OPTIMIZER | {k: v for k, v in options.items() if k != "total_steps"}


def data_fields(path: str, entry: str, given: dict) -> dict[str, Any]:
    own = DEFAULTS["data"]
    return simple(options_of(choose("data set", DATASETS, given.get("name", own["name"])))) | own


def term_fields(path: str, entry: str, given: dict) -> dict[str, Any]:
    return TERM | options_of_all(term(given.get("name", entry)).functions)


def augment_fields(path: str, entry: str, given: dict) -> dict[str, Any]:
    return options_of_all(augmentation(given.get("name", entry)).functions)


# By the first part of a path; each takes the path, what stands after that part, and what is given.
SECTIONS: dict[str, Callable[[str, str, dict], dict[str, Any]]] = {
    "gen": player_fields,
    "disc": player_fields,
    "enc": encoder_fields,
    "method": method_fields,
    "optim": optimizer_fields,
    "data": data_fields,
    "terms": term_fields,
    "augment": augment_fields,
}


def network(player: str, name: str) -> type[nn.Module]:
    """The network class that `config.gen.name`, `config.disc.name` or `config.enc.name` names."""
    having = NETWORKS
    if player == "enc":
        having = {name: family for name, family in NETWORKS.items() if family.Encoder}
    chosen = choose("network", having, name)
    if isinstance(chosen, Family):
        classes = {"gen": chosen.Generator, "disc": chosen.Discriminator, "enc": chosen.Encoder}
        return classes[player]
    if not (inspect.isclass(chosen) and issubclass(chosen, nn.Module)):
        raise UsageError(f"network {name!r} is not a flax.linen.Module")
    return chosen


def network_fields(module: type[nn.Module]) -> dict[str, Any]:
    options = options_of(module)
    return {k: v for k, v in options.items() if k not in ("num_classes", "parent", "name")}


def method(name: str) -> Method:
    """The method of that name; a function of elsewhere makes one update a turn."""
    chosen = choose("method", METHODS, name)
    return chosen if isinstance(chosen, Method) else Method(make=chosen)


def term(name: str) -> Term:
    """The term of that name; a function of elsewhere is a term of the discriminator."""
    chosen = choose("term", TERMS, name)
    return chosen if isinstance(chosen, Term) else Term(disc=chosen)


def augmentation(name: str) -> Augmentation:
    """The augmentation of that name; a function is one that remembers nothing."""
    chosen = choose("augmentation", AUGMENTS, name)
    return chosen if isinstance(chosen, Augmentation) else Augmentation(apply=chosen)


def options_of_all(functions: Mapping[str, Callable]) -> dict[str, Any]:
    """What a config can say to any of them."""
    return {k: v for fn in functions.values() for k, v in simple(options_of(fn)).items()}


def simple(options: dict[str, Any]) -> dict[str, Any]:
    """Those options that a config can hold."""
    return {k: v for k, v in options.items() if isinstance(v, bool | int | float | str | tuple)}


def fill(defaults: dict, given: dict, prefix: str) -> dict:
    """`defaults` with what is given, in the types of the defaults."""
    filled = copy.deepcopy(defaults)
    for name, value in given.items():
        path = prefix + name
        if name not in defaults:
            raise unknown_field(path, (prefix + field for field in defaults))
        if isinstance(defaults[name], dict):
            if not isinstance(value, dict):
                raise UsageError(f"config.{path} must be a dict; got {value!r}")
            filled[name] = fill(defaults[name], value, f"{path}.")
        else:
            filled[name] = as_type_of(defaults[name], value, path)
    return filled


def as_type_of(default: Any, value: Any, path: str) -> Any:
    """`value` in the type of `default`: an int may stand for a float, a list for a tuple."""
    kind = type(default)
    if kind is tuple and isinstance(value, list | tuple):
        return tuple(as_type_of(default[0], v, path) for v in value) if default else tuple(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UsageError(f"config.{path} must be {kind.__name__}; got {value!r}")
    if kind is float and not math.isfinite(value):
        raise UsageError(f"config.{path} must be finite; got {value}")
    return value


def check(config: ConfigDict) -> None:
    """Raises UsageError where a number is out of its range."""
    for path in POSITIVE:
        if get(config, path) <= 0:
            raise UsageError(f"config.{path} must be positive; got {get(config, path)}")
    for path in NOT_NEGATIVE:
        if get(config, path) < 0:
            raise UsageError(f"config.{path} must not be negative; got {get(config, path)}")
    if config.seed + config.seeds > 2**32:
        others = f", and so must the last of {config.seeds}" * (config.seeds > 1)
        raise UsageError(f"config.seed must be less than 2**32{others}; got {config.seed}")
    if not 0 <= config.train.ema < 1:
        raise UsageError(f"config.train.ema must be in [0, 1); got {config.train.ema}")
    if config.train.ema_half_life and not config.train.ema:
        raise UsageError(
            "config.train.ema=0 turns averaging off; for train.ema_half_life leave it positive"
        )
    # What has a meaning only beside another field, by that field.
    for path, beside in {
        "train.ema_ramp": "train.ema_half_life",
        "train.ema_schedule": "train.ema_half_life",
        "init.skip": "init.workdir",
        "init.member": "init.workdir",
        "init.checkpoint": "init.workdir",
    }.items():
        if not get(config, beside) and get(config, path) != get(DEFAULTS, path):
            raise UsageError(
                f"config.{path}={get(config, path)!r} changes nothing without config.{beside}"
            )
    for name in ("decay", "every"):
        if config.top_k.least == 1 and config.top_k[name] != DEFAULTS["top_k"][name]:
            raise UsageError(
                f"config.top_k.{name}={config.top_k[name]} changes nothing while all fakes count: "
                "config.top_k.least=1"
            )
    for name in ("least", "decay"):
        if not 0 < config.top_k[name] <= 1:
            raise UsageError(f"config.top_k.{name} must be in (0, 1]; got {config.top_k[name]}")
    for name in ("skip", "freeze"):
        if not all(isinstance(pattern, str) for pattern in config.init[name]):
            raise UsageError(
                f"config.init.{name} must be a tuple of paths such as ('disc/Conv_0',); "
                f"got {config.init[name]}"
            )
    if config.train.dtype not in DTYPES:
        raise unknown("dtype (config.train.dtype)", config.train.dtype, DTYPES)
    if config.data.on_bad_image not in ("raise", "skip"):
        raise UsageError(
            f"config.data.on_bad_image must be raise or skip; got {config.data.on_bad_image!r}"
        )
    for player in ("gen", "disc", "enc"):
        defaults = fields_of(player, config[player])
        for name, value in config[player].items():
            if value == defaults[name]:  # a 0 of its own has a meaning of its own
                continue
            sizes = value if isinstance(value, tuple | list) else (value,)
            if any(type(size) is int and size <= 0 for size in sizes):
                raise UsageError(f"config.{player}.{name} must be positive; got {value}")
        if not 0 <= config[player].get("dropout", 0.0) < 1:
            raise UsageError(f"config.{player}.dropout must be in [0, 1)")
    for name, fields in config.terms.items():
        if fields.interval < 1:
            raise UsageError(f"config.terms.{name}.interval must be positive")
    changing = {f"terms.{name}": (fields, TERM) for name, fields in config.terms.items()}
    changing |= {f"optim.{name}": (fields, OPTIMIZER) for name, fields in config.optim.items()}
    for path, (fields, defaults) in changing.items():
        if fields.get("steps", 0) < 0:
            raise UsageError(f"config.{path}.steps must not be negative; got {fields.steps}")
        for field in ("final", "steps"):
            if fields.schedule == "constant" and fields.get(field) != defaults.get(field):
                raise UsageError(
                    f"config.{path}.{field}={fields[field]} needs a schedule that ends there: "
                    f"config.{path}.schedule, linear or cosine"
                )


def get(config: Any, path: str) -> Any:
    """The value at a dotted path."""
    for name in path.split("."):
        config = config[name]
    return config


def paths_of(node: dict, prefix: str = "") -> set[str]:
    """Dotted paths of all fields, inner ones too."""
    paths = set()
    for name, value in node.items():
        paths.add(prefix + name)
        if isinstance(value, dict):
            paths |= paths_of(value, f"{prefix}{name}.")
    return paths


def unknown_field(path: str, paths: Iterable[str]) -> UsageError:
    """The error for a path that is not among `paths`, with the nearest and its neighbours."""
    paths = set(paths)
    siblings = {p for p in paths if p.count(".") == path.count(".")}
    elsewhere = sorted(p for p in paths if p.endswith(f".{path}"))[:3]
    near = elsewhere or difflib.get_close_matches(path, siblings or paths, n=1)
    hint = f"; did you mean {' or '.join(f'config.{p}' for p in near)}?" if near else ";"
    parent = path.rpartition(".")[0]
    there = sorted(p.rpartition(".")[2] for p in paths if p.rpartition(".")[0] == parent)
    holder = f"config.{parent}" if parent else "config"
    has = f"has {', '.join(there)}" if there else "has no fields"
    return UsageError(f"unknown config field config.{path}{hint} {holder} {has}")


def to_plain(config: Any) -> Any:
    """ConfigDicts as dicts, all the way down."""
    if isinstance(config, ConfigDict | dict):
        return {name: to_plain(value) for name, value in config.items()}
    return config
