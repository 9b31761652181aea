"""From the command line to a locked ConfigDict, and to the JSON of a workdir and back.

A config file holds `get_config()`, which returns a ConfigDict with the fields that make the recipe.
What it leaves out has defaults (schema.py), so that every field can be overridden by
`--config.field=value`. `FILE.py:smoke` is the recipe at toy size on data that need no download; a
file whose `get_config(variant)` takes an argument has its own variants.
"""

import ast
import difflib
import importlib.util
import inspect
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxgan.data.sources import AT_HAND
from jaxgan.errors import UsageError, unknown
from jaxgan.schema import (
    DEFAULTS,
    FREE,
    check,
    complete,
    fields_of,
    get,
    paths_of,
    to_plain,
    unknown_field,
)

SMOKE: dict[str, dict[str, Any]] = {
    "data": {"batch_size": 16},
    "train": {"steps": 20},
    "log": {"every": 5},
    "sample": {"every": 10},
    "checkpoint": {"every": 10},
    "eval": {"num": 64, "num_real": 256},
}
# Sizes of networks, and of each layer where there are several; of what is said of stages, for all.
TOY = {
    "hidden": 32,
    "width": 2,
    "widths": 8,
    "blocks": 1,
    "attention": 8,
    "channel_base": 32,
    "channel_max": 4,
    "mapping_layers": 1,
}
SMOKE_RESOLUTION = 16  # where the config has one: half the stages, and time is compiling them
# Data sets that a smoke run replaces by another than fashion_mnist_10k.
STAND_INS = {"stacked_mnist": {"name": "stacked_fashion_mnist_10k"}}
# Sections with a field `name`, on which their other fields depend.
NAMED = ("gen", "disc", "enc", "method", "optim.gen", "optim.disc", "data")
HOLDERS = ("terms", "augment")  # of any number of such sections


def load_config(spec: str, overrides: Sequence[str] = ()) -> ConfigDict:
    """The locked config of `PATH[:VARIANT]` with overrides such as "--config.loss=hinge".

    Raises:
      UsageError: a missing file, an unknown field or variant, a value of the wrong type or range.
    """
    given = to_plain(from_file(spec))
    texts = split(overrides)
    put_sections(given, texts)
    rename(given, texts)
    add_entries(given, texts)
    config = complete(given)
    override(config, texts)
    config = complete(config)
    check(config)
    return config


def from_file(spec: str) -> ConfigDict:
    """The config that the file returns, as it is."""
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
    except Exception as error:  # it is the user's program: whatever it raises is theirs to mend
        raise UsageError(f"{name}: {type(error).__name__}: {error}") from error
    get_config = vars(module).get("get_config")
    if not callable(get_config):
        raise UsageError(f"{name} has no function get_config()")
    own_variants = bool(inspect.signature(get_config).parameters)
    if variant not in ("", "smoke") and not own_variants:
        raise unknown(f"variant of {name}:", variant, ["smoke"])
    try:
        config = get_config(variant) if variant and own_variants else get_config()
    except Exception as error:
        raise UsageError(f"{spec}: {type(error).__name__}: {error}") from error
    if not isinstance(config, ConfigDict):
        raise UsageError(f"{name}: get_config() must return a ConfigDict; got {config!r}")
    return smoke(config) if variant == "smoke" and not own_variants else config


def smoke(config: ConfigDict) -> ConfigDict:
    """The same system in seconds: small networks, few steps, data that need no download."""
    small = to_plain(config)
    data = small.setdefault("data", {})
    name = data.get("name", DEFAULTS["data"]["name"])
    if name in STAND_INS:
        small["data"] = dict(STAND_INS[name])
    elif name not in AT_HAND:
        data.update(name="fashion_mnist_10k", dir="", split="train")
        small["data"] = {k: v for k, v in data.items() if k in fields_of("data", data)}
    for section, fields in SMOKE.items():
        small[section] = {**small.get(section, {}), **fields}
    if small["data"].get("resolution"):
        small["data"]["resolution"] = SMOKE_RESOLUTION
    # Every turn is compiled for itself; two of them are several.
    small["train"]["disc_turns"] = min(small["train"].get("disc_turns", 1), 2)
    for player in ("gen", "disc", "enc"):
        for field, size in TOY.items():
            if (network := small.get(player, {})).get(field):
                many = isinstance(network[field], list | tuple)
                layers = len(network[field]) if field == "hidden" else 1
                network[field] = (size,) * layers if many else size
    return ConfigDict(small)


def split(overrides: Sequence[str]) -> dict[str, str]:
    """Path -> text of "--config.path=text" or "--config.path text"; of two the later."""
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
    texts: dict[str, str] = {}
    for argument in joined:
        path, equals, text = argument.removeprefix("--config.").partition("=")
        if not equals:
            raise UsageError(f"{argument} has no value; overrides look like --config.loss=hinge")
        texts.pop(path, None)
        texts[path] = text
    return texts


def put_sections(given: dict, texts: dict[str, str]) -> None:
    """Moves overrides that are whole sections there, so that others may name fields of theirs."""
    entries = [path for path in texts if path.partition(".")[0] in HOLDERS and path.count(".") == 1]
    for section in (*NAMED, *HOLDERS, *entries):
        *outer, last = section.split(".")
        node = given.setdefault(*outer, {}) if outer else given
        try:
            value = ast.literal_eval(texts.get(section, ""))
        except (ValueError, SyntaxError):
            continue
        if isinstance(value, dict) and isinstance(node, dict):
            node[last] = value
            del texts[section]


def rename(given: dict, texts: dict[str, str]) -> None:
    """Where an override names another network, optimizer or data set, fields it lacks go."""
    for section in NAMED:
        name = texts.get(f"{section}.name")
        node = given
        for part in section.split("."):
            node = node.setdefault(part, {}) if isinstance(node, dict) else {}
        if name is not None and isinstance(node, dict) and node.get("name") != name:
            fields = fields_of(section, {"name": name})
            for field in [field for field in node if field not in fields]:
                del node[field]
            node["name"] = name


def add_entries(given: dict, texts: dict[str, str]) -> None:
    """`--config.terms.r1.weight=1` adds the term where the file has none; so for augmentations.

    Fields that have no default, such as a term's `name`, are moved there.
    """
    for path in list(texts):
        section, _, rest = path.partition(".")
        entry, _, field = rest.rpartition(".")
        if section in HOLDERS and entry:
            fields = given.setdefault(section, {}).setdefault(entry, {})
            if field in FREE[section] and isinstance(fields, dict):
                fields[field] = texts.pop(path)


def override(config: ConfigDict, texts: dict[str, str]) -> None:
    """Sets the fields, each read in the type that it has."""
    paths = paths_of(to_plain(config))
    for path in texts:
        if path not in paths:
            raise unknown_field(path, paths)
    arguments = ["jaxgan", *(f"--config.{path}={text}" for path, text in texts.items())]
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, lock_config=True, sys_argv=arguments
        )
        values(arguments)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        message = str(error).splitlines()[0]
        about = re.search(r"--config\.([\w.]+)=", message)
        if about and about[1] in texts:
            kind = type(get(config, about[1])).__name__
            message = f"config.{about[1]} must be {kind}; got {texts[about[1]]!r}"
        raise UsageError(message) from error


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Dotted path -> value, as JSON holds them (tuples are lists)."""
    plain = json.loads(to_json(config))
    leaves = {path: get(plain, path) for path in paths_of(plain)}
    return {path: value for path, value in leaves.items() if not isinstance(value, dict)}


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
    return json.dumps(to_plain(config), indent=2)


def from_json(text: str) -> ConfigDict:
    """The config that `to_json` wrote, completed and checked like one from a file.

    Raises:
      UsageError: it is not JSON, or not a config of this version.
    """
    try:
        config = complete(json.loads(text))
        check(config)
    except UsageError:
        raise
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"not a config: {error}") from error
    return config
