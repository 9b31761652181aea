"""From the command line to a locked ConfigDict: the file, the defaults, the overrides, the checks.

A config file holds `get_config()`, which returns a ConfigDict with the fields that make the recipe.
What it leaves out stands in `DEFAULTS`, so that every field can be overridden by
`--config.field=value`. `FILE.py:smoke` is the recipe at toy size on the images that ship with the
package; a file whose `get_config(variant)` takes an argument has its own variants.
"""

import copy
import difflib
import importlib.util
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxgan.choices import choose
from jaxgan.errors import UsageError, unknown
from jaxgan.networks import NETWORKS

OPTIMIZER_DEFAULTS = {
    "name": "adam",
    "lr": 2e-4,
    "schedule": "constant",  # constant, linear, cosine
    "warmup_steps": 0,
    "final": 0.0,  # where linear and cosine end, as a fraction of lr
    "clip_weights": 0.0,  # every parameter stays in [-c, c]; 0: off
    "clip_grad_norm": 0.0,  # 0: off
}
DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "loss": "non_saturating",
    "loss_weight": {"disc": 1.0, "gen": 1.0},  # of the loss itself, beside the terms
    "terms": {},  # name -> {weight, interval, and what the term takes}
    "augment": {},  # name -> {what it takes}: what happens to all that the discriminator sees
    "gen": {},
    "disc": {},
    "optim": {"gen": OPTIMIZER_DEFAULTS, "disc": OPTIMIZER_DEFAULTS},
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
        "ema": 0.999,  # decay of the averaged generator in a step; 0: no averaging
    },
    "log": {"every": 50},
    "sample": {"every": 500},  # 0: never
    "eval": {"every": 0, "metrics": ("swd",), "num": 1024},  # every 0: never
    "checkpoint": {"every": 1000, "keep": 2, "keep_every": 0},
}
TERM_DEFAULTS = {"weight": 1.0, "interval": 1}
SMOKE: dict[str, dict[str, Any]] = {
    "data": {"name": "fashion_mnist_10k", "dir": "", "split": "train", "batch_size": 16},
    "train": {"steps": 20},
    "log": {"every": 5},
    "sample": {"every": 10},
    "checkpoint": {"every": 10},
}
POSITIVE = (
    "data.batch_size",
    "train.steps",
    "train.disc_turns",
    "train.gen_turns",
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
)


def load_config(spec: str, overrides: Sequence[str] = ()) -> ConfigDict:
    """The locked config of `PATH[:VARIANT]` with overrides such as "--config.loss=hinge".

    Raises:
      UsageError: a missing file, an unknown field or variant, a value of the wrong type or range.
    """
    config = _from_file(spec)
    overrides = _joined(overrides)
    _swap_networks(config, overrides)
    config = complete(config)
    config.unlock()
    _add_new_terms(config, overrides)
    config.lock()
    _override(config, overrides)
    config = complete(config)
    check(config)
    return config


def complete(config: ConfigDict) -> ConfigDict:
    """A locked copy of `config` with every default filled in, the networks' own included.

    Raises:
      UsageError: a field that does not exist, or of another type than its default.
    """
    given = _plain(config)
    filled = _merge(DEFAULTS, given, "")
    for player in ("gen", "disc"):
        filled[player] = _network_fields(player, filled[player])
    for name, term in filled["terms"].items():
        if not isinstance(term, dict):
            raise UsageError(
                f"config.terms.{name} must be a dict such as {{'weight': 1.0}}; got {term!r}"
            )
        filled["terms"][name] = {**TERM_DEFAULTS, **term}
    return ConfigDict(filled).lock()


def check(config: ConfigDict) -> None:
    """Raises UsageError where a number is out of its range."""
    for path in POSITIVE:
        if get(config, path) <= 0:
            raise UsageError(f"config.{path} must be positive; got {get(config, path)}")
    for path in NOT_NEGATIVE:
        if get(config, path) < 0:
            raise UsageError(f"config.{path} must not be negative; got {get(config, path)}")
    if not 0 <= config.train.ema < 1:
        raise UsageError(f"config.train.ema must be in [0, 1); got {config.train.ema}")
    for player in ("gen", "disc"):
        for name, value in config[player].items():
            sizes = value if isinstance(value, tuple | list) else (value,)
            if any(type(size) is int and size <= 0 for size in sizes):
                raise UsageError(f"config.{player}.{name} must be positive; got {value}")


def get(config: ConfigDict, path: str) -> Any:
    """The value at a dotted path."""
    for name in path.split("."):
        config = config[name]
    return config


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Dotted path -> value, as JSON holds them (tuples are lists)."""

    def walk(node: dict, prefix: str) -> dict[str, Any]:
        leaves = {}
        for name, value in node.items():
            if isinstance(value, dict) and value:
                leaves |= walk(value, f"{prefix}{name}.")
            else:
                leaves[f"{prefix}{name}"] = value
        return leaves

    return walk(json.loads(to_json(config)), "")


def differences(old: ConfigDict, new: ConfigDict) -> list[str]:
    """A line for each field that differs: "loss: hinge -> lsgan"."""
    before, after = flatten(old), flatten(new)
    absent = "(absent)"
    return [
        f"{path}: {before.get(path, absent)} -> {after.get(path, absent)}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path, absent) != after.get(path, absent)
    ]


def to_json(config: ConfigDict) -> str:
    return json.dumps(_plain(config), indent=2)


def from_json(text: str) -> ConfigDict:
    """The config that `to_json` wrote; lists become tuples again."""

    def tuples(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: tuples(value) for name, value in node.items()}
        return tuple(tuples(value) for value in node) if isinstance(node, list) else node

    return ConfigDict(tuples(json.loads(text))).lock()


def _from_file(spec: str) -> ConfigDict:
    name, _, variant = spec.partition(":")
    path = Path(name)
    if not path.is_file():
        siblings = [str(p) for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(name, siblings, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no config file {name}{hint}")
    loader = importlib.util.spec_from_file_location(path.stem, path)
    if loader is None:
        raise UsageError(f"{name} is not a Python file; a config is a .py file with get_config()")
    module = importlib.util.module_from_spec(loader)
    try:
        loader.loader.exec_module(module)
        get_config = vars(module)["get_config"]
    except KeyError:
        raise UsageError(f"{name} has no function get_config()") from None
    except SyntaxError as error:
        raise UsageError(f"{name}: {error}") from error
    own_variants = bool(inspect.signature(get_config).parameters)
    if variant not in ("", "smoke") and not own_variants:
        raise unknown(f"variant of {name}:", variant, ["smoke"])
    try:
        config = get_config(variant) if variant and own_variants else get_config()
    except (ValueError, TypeError) as error:
        raise UsageError(f"{spec}: {error}") from error
    if not isinstance(config, ConfigDict):
        raise UsageError(f"{name}: get_config() must return a ConfigDict; got {config!r}")
    return _smoke(config) if variant == "smoke" and not own_variants else config


def _smoke(config: ConfigDict) -> ConfigDict:
    """The same system in seconds: small networks, few steps, embedded images."""
    small = _plain(config)
    for section, fields in SMOKE.items():
        small[section] = {**small.get(section, {}), **fields}
    for player in ("gen", "disc"):
        network = small[player]
        if "hidden" in network:
            network["hidden"] = (32,) * len(network["hidden"])
        if "width" in network:
            network["width"] = 8
    return ConfigDict(small)


def _joined(overrides: Sequence[str]) -> list[str]:
    """`--config.a 1` as `--config.a=1`; refuses what is no override."""
    joined: list[str] = []
    for argument in overrides:
        if argument.startswith("--config."):
            joined.append(argument)
        elif joined and "=" not in joined[-1] and not argument.startswith("--"):
            joined[-1] += f"={argument}"
        else:
            raise UsageError(
                f"unknown argument {argument}; overrides look like --config.loss=hinge"
            )
    for argument in joined:
        if "=" not in argument:
            raise UsageError(f"{argument} has no value; overrides look like --config.loss=hinge")
    return joined


def _swap_networks(config: ConfigDict, overrides: list[str]) -> None:
    """Where an override names another network, the file's fields that it lacks are dropped."""
    for player in ("gen", "disc"):
        prefix = f"--config.{player}.name="
        names = [o.removeprefix(prefix) for o in overrides if o.startswith(prefix)]
        if names and player in config and names[-1] != config[player].get("name"):
            with config.unlocked():
                fields = _fields(player, network(player, names[-1]))
                kept = {k: v for k, v in config[player].items() if k in fields}
                config[player] = {"name": names[-1], **kept}


def _add_new_terms(config: ConfigDict, overrides: list[str]) -> None:
    """`--config.terms.r1.weight=1` adds the term where the file has none."""
    for override in overrides:
        parts = override.partition("=")[0].removeprefix("--config.").split(".")
        if len(parts) == 3 and parts[0] == "terms" and parts[1] not in config.terms:
            config.terms[parts[1]] = dict(TERM_DEFAULTS)


def _override(config: ConfigDict, overrides: list[str]) -> None:
    paths = _paths(_plain(config), "")
    for override in overrides:
        path = override.partition("=")[0].removeprefix("--config.")
        if path not in paths:
            raise unknown_field(path, paths)
    values, arguments = flags.FlagValues(), ["jaxgan", *overrides]
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, lock_config=True, sys_argv=arguments
        )
        values(arguments)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        message = str(error).splitlines()[0].replace("flag --config", "config")
        raise UsageError(message) from error


def unknown_field(path: str, paths: set[str]) -> UsageError:
    siblings = {p for p in paths if p.count(".") == path.count(".")}
    near = difflib.get_close_matches(path, siblings | paths, n=1)
    hint = f"; did you mean config.{near[0]}?" if near else ""
    parent = path.rpartition(".")[0]
    there = sorted(p.removeprefix(f"{parent}.") for p in paths if p.rpartition(".")[0] == parent)
    listed = (
        f" {'config.' + parent if parent else 'config'} has {', '.join(there)}" if there else ""
    )
    return UsageError(f"unknown config field config.{path}{hint or ';'}{listed}")


def _paths(node: dict, prefix: str) -> set[str]:
    paths = set()
    for name, value in node.items():
        paths.add(prefix + name)
        if isinstance(value, dict):
            paths |= _paths(value, f"{prefix}{name}.")
    return paths


OPEN = (
    "terms",
    "augment",
    "gen",
    "disc",
    "data",
    "optim.gen",
    "optim.disc",
)  # take fields of their own


def _merge(defaults: dict, given: dict, prefix: str) -> dict:
    merged = copy.deepcopy(defaults)
    for name, value in given.items():
        path = prefix + name
        if name not in defaults:
            if prefix.rstrip(".") not in OPEN:
                raise unknown_field(path, _paths(DEFAULTS, ""))
            merged[name] = value
        elif isinstance(defaults[name], dict):
            if not isinstance(value, dict):
                raise UsageError(f"config.{path} must be a dict; got {value!r}")
            merged[name] = _merge(defaults[name], value, f"{path}.")
        else:
            merged[name] = _as(type(defaults[name]), value, path)
    return merged


def _as(kind: type, value: Any, path: str) -> Any:
    """`value`, or the float or tuple that an int or list stands for."""
    if kind is float and type(value) is int or kind is tuple and isinstance(value, list):
        return kind(value)
    if type(value) is not kind:
        raise UsageError(f"config.{path} must be {kind.__name__}; got {value!r}")
    return value


def network(player: str, name: str) -> type[nn.Module]:
    """The network class that `config.gen.name` or `config.disc.name` names."""
    chosen = choose(f"network (config.{player}.name)", NETWORKS, name)
    if inspect.isclass(chosen) and issubclass(chosen, nn.Module):
        return chosen
    return {"gen": chosen.Generator, "disc": chosen.Discriminator}[player]


GIVEN = ("image_shape", "num_classes", "parent", "name")  # not the config's to set


def _fields(player: str, module: type[nn.Module]) -> dict[str, Any]:
    """The hyper-parameters of a network class with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(module).parameters.items()
        if name not in GIVEN
    }


def _network_fields(player: str, given: dict) -> dict:
    if "name" not in given:
        raise UsageError(
            f"config.{player}.name is missing; choose from {', '.join(sorted(NETWORKS))}"
        )
    fields = _fields(player, network(player, given["name"]))
    filled = {"name": given["name"]}
    for name, default in fields.items():
        if name in given:
            filled[name] = _as(type(default), given[name], f"{player}.{name}")
        elif default is inspect.Parameter.empty:
            raise UsageError(f"config.{player}.{name} is missing; {given['name']} needs it")
        else:
            filled[name] = default
    for name in given:
        if name not in filled:
            raise unknown_field(f"{player}.{name}", {f"{player}.{field}" for field in filled})
    return filled


def _plain(config: Any) -> Any:
    """ConfigDicts as dicts, all the way down."""
    if isinstance(config, ConfigDict | dict):
        return {name: _plain(value) for name, value in config.items()}
    return config
