"""Checkpoints of the training state through Orbax; nothing else knows its API.

A checkpoint is the folder `<step>`. It is written as `<step>.saving` by a background thread, which
adds a manifest of SHA-256 (manifest.py) and then renames it: whatever has its own name was complete
once, and what befell it since is found out when it is read. Old ones go after the new one has its
name, and under another name. So a run that dies at any instant leaves complete checkpoints, and
folders with a dot in their names, which the next start removes. What has its name is on the disk
itself, no more in memory, before an old one goes: so it is also where the power fails.

Random keys are stored as their words. The order of the data is a function of the key and the step,
so there is nothing else to store.

Of several processes all write what their devices hold, and the first does the rest: it makes the
folder, signs it, gives it its name, removes the old ones, and says which checkpoint is whole.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.tree_util import keystr, tree_leaves_with_path

from jaxgan.engine.distributed import any_of, is_first, of_first, several
from jaxgan.engine.manifest import damage, has_manifest, put_on_disk, write_manifest
from jaxgan.engine.step import TrainState
from jaxgan.errors import Failure, UsageError, first_line, warn

ITEM = "default"  # the folder in a checkpoint that is Orbax's
RETRY = 5.0  # seconds between two attempts to save on a full disk


class Checkpoints:
    """The checkpoints in one folder.

    keep: how many of the latest stay. keep_every: steps that are multiples of it stay
    for ever (0: none).
    retry_seconds: where a checkpoint cannot be written, so long it is tried again; `save` then
      waits until it is on disk.
    """

    def __init__(
        self, folder: Path, *, keep: int = 2, keep_every: int = 0, retry_seconds: float = 0.0
    ):
        self._folder, self._keep, self._keep_every = folder, keep, keep_every
        self._retry_seconds = retry_seconds
        # Its name apart from those of others that save at the same time, to processes that meet.
        self._orbax = ocp.StandardCheckpointer(
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                barrier_sync_key_prefix=folder.name
            )
        )
        self._thread: threading.Thread | None = None
        self._failure: Failure | None = None
        self._damage: dict[int, str] = {}  # of those that were looked at

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind, *error) -> None:
        if kind and several():
            return  # others may be gone, for whom what has begun would wait
        try:
            self.wait()
        except Failure:
            if kind is None:
                raise  # else what happened first is the one to tell
        finally:
            self._orbax.close()

    def steps(self) -> list[int]:
        """Of all checkpoints, whole or damaged."""
        names = (path.name for path in self._entries() if path.is_dir())
        return sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)

    def latest(self) -> int | None:
        """The last step whose checkpoint is whole, or None where there is no checkpoint.

        Warns of each damaged one that it passes over. One without a manifest, as earlier versions
        wrote them, counts where there is no other.

        Raises:
          UsageError: all are damaged.
        """
        return of_first(self._latest)

    def _latest(self) -> int | None:
        passed, unsigned = [], []
        for step in reversed(self.steps()):
            if not has_manifest(self._folder / str(step)):
                unsigned.append(step)
            elif self.damage(step):
                passed.append(f"checkpoint {step} is damaged: {self.damage(step)}")
            else:
                break
        else:
            step = unsigned[0] if unsigned else None
        if step is None and passed:
            raise UsageError(
                f"no checkpoint in {self._folder} is whole: {'; '.join(passed)}; put back a copy "
                "of one, or begin anew in another workdir"
            )
        for line in passed:
            warn(f"{self._folder}: {line}; checkpoint {step} is used")
        for other in unsigned:
            used = "used without being verified" if other == step else "passed over"
            warn(f"{self._folder}: checkpoint {other} has no manifest, and is {used}")
        return step

    def damage(self, step: int) -> str:
        """What is wrong with a checkpoint; "" of a whole one, or one without a manifest."""
        folder = self._folder / str(step)
        if step not in self._damage:
            self._damage[step] = damage(folder) if has_manifest(folder) else ""
        return self._damage[step]

    def restore(self, step: int, like: TrainState) -> TrainState:
        """The state of `step`, with the shapes, types and shardings of the abstract state `like`.

        Raises:
          UsageError: the checkpoint is damaged, or holds other arrays than `like`.
        """
        target = jax.tree.map(
            lambda leaf, own: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=own.sharding),
            jax.eval_shape(_plain, like),
            like,
        )
        state = self._found(step, lambda path: self._orbax.restore(path, target))
        self._check_name(step, state.step)
        return state.replace(key=jax.random.wrap_key_data(state.key))

    def shapes(self, step: int, parts: Iterable[str]) -> dict[str, Any]:
        """What has a shape and a dtype, for each array in these fields of the state of `step`."""
        metadata = self._orbax.metadata(self._path(step)).item_metadata
        tree = getattr(metadata, "tree", metadata)
        return {part: tree[part] for part in parts}

    def read(self, step: int, wanted: dict[str, Any]) -> dict[str, Any]:
        """Some arrays of the state of `step`; no others are read.

        wanted: what they are to be, abstract arrays with shardings, in a part of the state's tree,
          such as {"step": ..., "params": {"gen": ...}}. It has the step, which is not returned.

        Raises:
          UsageError: the checkpoint is damaged, or does not hold these arrays.
        """
        there = dict(tree_leaves_with_path(self._found(step, lambda _: self.shapes(step, wanted))))
        for path, leaf in tree_leaves_with_path(wanted):
            if path not in there or tuple(there[path].shape) != leaf.shape:
                size = list(there[path].shape) if path in there else "missing"
                raise UsageError(
                    f"checkpoint {step} in {self._folder} does not fit this config; "
                    f"{keystr(path, simple=True, separator='/')} is {size} there, "
                    f"{list(leaf.shape)} here; use another workdir"
                )
        arguments = ocp.args.PyTreeRestore(
            item=wanted,
            restore_args=ocp.checkpoint_utils.construct_restore_args(wanted),
            partial_restore=True,
        )
        with ocp.PyTreeCheckpointer() as reader:
            found = self._found(step, lambda path: reader.restore(path, args=arguments))
        self._check_name(step, found.pop("step"))
        return found

    def _found(self, step: int, of_path: Callable[[Path], Any]) -> Any:
        """What `of_path` makes of the folder of a checkpoint that is whole."""
        if found := of_first(lambda: self.damage(step)):
            raise UsageError(f"checkpoint {step} in {self._folder}: {found}")
        try:
            return of_path(self._path(step))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UsageError(
                f"checkpoint {step} in {self._folder} does not fit this config, or is damaged; "
                f"use another workdir ({first_line(error)})"
            ) from error

    def _check_name(self, step: int, stored: jax.Array) -> None:
        if (stored != step).any():
            raise UsageError(
                f"{self._folder / str(step)} holds another step than its name says; rename it"
            )

    def go_on_from(self, step: int) -> None:
        """Removes what a run that goes on from `step` makes again, and the leftovers of a kill."""
        of_first(lambda: self._go_on_from(step))

    def _go_on_from(self, step: int) -> None:
        for path in self._entries():
            if _is_leftover(path):
                _remove(path)
        for later in [other for other in self.steps() if other > step]:
            self.delete(later)

    def save(self, step: int, state: TrainState) -> None:
        """Starts saving `state`; returns when its buffers may be reused, not when it is on disk.

        Raises:
          Failure: this checkpoint, or the one before, could not be written.
        """
        deadline = time.monotonic() + self._retry_seconds
        while True:
            self.wait()
            try:
                self._start(step, state)
                return self.wait() if self._retry_seconds else None
            except Failure as failure:
                if of_first(lambda: time.monotonic() >= deadline):
                    raise
                warn(f"{failure}; trying again")
                time.sleep(min(RETRY, max(0.0, deadline - time.monotonic())))

    def delete(self, step: int) -> None:
        self._damage.pop(step, None)
        _remove(self._folder / str(step))

    def check(self) -> None:
        """Raises Failure where a checkpoint could not be written; waits for none.

        Of several processes, which would have to ask at once, the next `save` tells it.
        """
        if self._thread and not self._thread.is_alive() and not several():
            self.wait()

    def wait(self) -> None:
        """Waits until everything is on disk.

        Raises:
          Failure: the last checkpoint could not be written.
        """
        if not self._thread:
            return
        self._thread.join()
        self._thread = None
        failure, self._failure = self._failure, None
        if any_of(failure is not None):
            raise failure or Failure("another process could not write its part of a checkpoint")

    def _path(self, step: int) -> Path:
        return (self._folder / str(step) / ITEM).absolute()

    def _start(self, step: int, state: TrainState) -> None:
        part = self._folder / f"{step}.saving"

        def make() -> None:
            _remove(part)
            part.mkdir(parents=True)

        try:
            of_first(make)
            self._orbax.save((part / ITEM).absolute(), _plain(state))
        except (OSError, ValueError) as error:
            raise self._failed(step, error) from error
        # Not a daemon: a program that ends in an error elsewhere still finishes this checkpoint.
        self._thread = threading.Thread(target=self._finish, args=(step, part), name="save")
        self._thread.start()

    def _finish(self, step: int, part: Path) -> None:
        """Waits for Orbax; signs the folder, gives it its name, removes the old."""
        try:
            self._orbax.wait_until_finished()
            if not is_first():
                return
            write_manifest(part)
            self.delete(step)
            put_on_disk(part)
            part.rename(self._folder / str(step))
            put_on_disk(self._folder, deep=False)
            self._damage[step] = ""
            for old in self.steps()[: -self._keep]:
                if not (self._keep_every and old % self._keep_every == 0):
                    self.delete(old)
        except Exception as error:  # Orbax raises what its threads met; `wait` raises it anew
            self._failure = self._failed(step, error)

    def _failed(self, step: int, error: Exception) -> Failure:
        """The error for a checkpoint that could not be written, whose remains are removed."""
        if is_first():
            _remove(self._folder / f"{step}.saving")
        whole = self.steps()
        intact = f"checkpoint {whole[-1]} is intact" if whole else "there is none before it"
        reason = first_line(error)
        if "RESOURCE_EXHAUSTED" in str(error) or "No space left" in str(error):
            reason = "no space left on the device"
        return Failure(
            f"checkpoint {step} in {self._folder} could not be written ({reason}); {intact}; "
            "when that is mended, the same command goes on from there"
        )

    def _entries(self) -> list[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []


def find_checkpoint(
    workdir: Path, checkpoint: str, regular: Checkpoints, best: Checkpoints
) -> tuple[Checkpoints, int]:
    """Those of the two that hold a checkpoint, and its step.

    Raises:
      UsageError: there is none, or none that is whole; `checkpoint` is not last, best or a step.
    """
    named = {"last": regular, "best": best}
    if not (regular.steps() or best.steps()):
        raise UsageError(f"--workdir {workdir} has no checkpoint yet")
    if checkpoint in named:
        if not named[checkpoint].steps():
            when = {"last": "checkpoint.every", "best": "the first score, at eval.every"}
            raise UsageError(
                f"--workdir {workdir} has no {checkpoint} checkpoint before {when[checkpoint]}"
            )
        return named[checkpoint], named[checkpoint].latest()
    for holder in (regular, best):
        if checkpoint in map(str, holder.steps()):
            return holder, int(checkpoint)
    there = ", ".join(map(str, sorted({*regular.steps(), *best.steps()})))
    raise UsageError(f"no checkpoint {checkpoint!r}; there are {there}, last and best")


def _is_leftover(path: Path) -> bool:
    """Folders of a kill in the middle of a save or a deletion; the last are of earlier versions."""
    step, dot, rest = path.name.partition(".")
    kinds = ("saving", "removing", "orbax-checkpoint-tmp")
    return path.is_dir() and step.isdecimal() and bool(dot) and rest.startswith(kinds)


def _remove(folder: Path) -> None:
    """Deletes a folder, if there is one, under another name: a half of it passes for no whole."""
    if not folder.exists():
        return
    doomed = folder
    if "." not in folder.name:
        doomed = folder.with_name(f"{folder.name}.removing")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _plain(state: TrainState) -> TrainState:
    return state.replace(key=jax.random.key_data(state.key))
