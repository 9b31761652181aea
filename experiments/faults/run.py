"""Breaks short trainings in every way that is promised to do no harm, and counts what happened.

    python experiments/faults/run.py --quick
    python experiments/faults/run.py --kills 200 --terms 20 --flips 50 --truncations 20 --nans 20

Every trial ends with a run that finishes, and its last state, its best one and its metrics (but for
times) must be those of a run that nothing befell, bit for bit. Runs are real processes of the
program; they are forked from one that has imported everything and started nothing, since to
import takes longer than to train. The full disk is a small tmpfs, for which one must be root.
Appends a line for each trial to results.jsonl beside this file, and prints the table.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results.jsonl"
sys.path[:0] = [str(ROOT), str(HERE)]
WORK = Path(tempfile.mkdtemp(prefix="jaxgan-faults-"))
os.environ |= {
    "JAX_COMPILATION_CACHE_DIR": str(WORK / "cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}

from jaxgan import cli, main  # noqa: E402
from jaxgan.engine.manifest import damage, has_manifest  # noqa: E402

TINY = str(HERE / "tiny.py")
STEPS, HALF = 120, 90
HANG = 120.0  # seconds


class Ended:
    """A process that ended. seconds: since it began to train."""

    def __init__(self, status: int, text: str, seconds: float):
        self.status, self.text, self.seconds = status, text, seconds
        begun = re.search(r"training from step (\d+)", text)
        self.first = int(begun[1]) if begun else None
        self.one_line = "Traceback" not in text
        self.last = text.strip().splitlines()[-1] if text.strip() else ""


class Started:
    """`python -m jaxgan.main` on the tiny config in `workdir`, as a process of its own."""

    def __init__(self, workdir: Path, *overrides: str):
        self._log = WORK / "log.txt"
        self._log.write_text("")
        self.pid, self.begin, self.end = os.fork(), time.monotonic(), None
        if self.pid == 0:
            self._play([f"--config={TINY}", f"--workdir={workdir}", *overrides])

    def _play(self, arguments: list[str]) -> None:
        """The child: never returns."""
        status = 1
        try:
            os.setsid()
            log = os.open(self._log, os.O_WRONLY | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.argv = ["jaxgan.main", *arguments]
            cli.run(main.main)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    @property
    def text(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], bool]) -> bool:
        """Waits for it; False where the process ended first."""
        while not condition():
            if self.ended():
                return False
            time.sleep(0.001)
        return True

    def trains(self) -> bool:
        return self.until(lambda: "training from" in self.text)

    def ended(self) -> bool:
        if self.end is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.end = os.waitstatus_to_exitcode(status)
            elif time.monotonic() - self.begin > HANG:
                os.kill(self.pid, signal.SIGKILL)
                raise SystemExit(f"a process hangs; its output:\n{self.text}")
        return self.end is not None

    def wait(self) -> Ended:
        self.trains()
        begin = time.monotonic()
        self.until(lambda: False)
        return Ended(self.end, self.text, time.monotonic() - begin)

    def signal(self, number: int, instant: float, *, training: bool) -> bool:
        """Sends a signal so many seconds on; False where the process ended before."""
        if training and not self.trains():
            return False
        end = time.monotonic() + instant
        if self.until(lambda: time.monotonic() >= end):
            os.kill(self.pid, number)
            return True
        return False


class Examiner:
    """A process that reads what runs left: one, so that it compiles and builds once."""

    def __init__(self):
        read, self._ask = os.pipe()
        self._answer, write = os.pipe()
        if os.fork() == 0:
            os.close(self._ask)
            os.close(self._answer)
            examine(os.fdopen(read), os.fdopen(write, "w"))
            os._exit(0)
        os.close(read)
        os.close(write)
        self._ask, self._answer = os.fdopen(self._ask, "w"), os.fdopen(self._answer)

    def of(self, workdir: Path) -> dict:
        print(workdir, file=self._ask, flush=True)
        return json.loads(self._answer.readline())


def examine(questions, answers) -> None:
    """For each workdir: the last step, and hashes of its state, of the best and of the metrics."""
    import jax
    import numpy as np
    from absl import logging

    from jaxgan.build import build
    from jaxgan.config import load_config
    from jaxgan.engine.calls import first_batch
    from jaxgan.engine.checkpoint import Checkpoints
    from jaxgan.engine.report import read_metrics
    from jaxgan.engine.train import start

    logging.set_verbosity(logging.ERROR)
    run = build(load_config(TINY)).run
    real = first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed))

    def state(folder: Path) -> dict:
        with Checkpoints(folder) as checkpoints:
            step = checkpoints.latest()
            state = start(run, checkpoints, step, real)
        digest, finite = hashlib.sha256(), True
        for path, leaf in jax.tree.leaves_with_path(state):
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                leaf = jax.random.key_data(leaf)
            digest.update(f"{path} {leaf.shape} {leaf.dtype}".encode() + np.asarray(leaf).tobytes())
            finite &= bool(np.isfinite(leaf).all())
        return {"step": step, "sha256": digest.hexdigest(), "finite": finite}

    for line in questions:
        workdir, times = Path(line.strip()), ("seconds", "images_per_sec")
        metrics = [
            {name: value for name, value in line.items() if name not in times}
            for line in read_metrics(workdir / "metrics.jsonl")
        ]
        told = {
            "last": state(workdir / "checkpoints"),
            "best": state(workdir / "best"),
            "metrics": hashlib.sha256(json.dumps(metrics).encode()).hexdigest(),
        }
        print(json.dumps(told), file=answers, flush=True)


def whole_steps(workdir: Path) -> list[int]:
    folders = [path for path in (workdir / "checkpoints").glob("*") if path.name.isdecimal()]
    whole = [path for path in folders if has_manifest(path) and not damage(path)]
    return sorted(int(path.name) for path in whole)


def leftovers(workdir: Path) -> list[str]:
    folders = [*(workdir / "checkpoints").glob("*.*"), *(workdir / "best").glob("*.*")]
    return [path.name for path in folders]


class Campaign:
    def __init__(self, seed: int):
        self.random, self.examiner, self.lines = random.Random(seed), Examiner(), []
        first = Started(WORK / "compiling").wait()
        assert first.status == 0, first.text
        whole = Started(WORK / "whole").wait()
        self.seconds, self.whole = whole.seconds, self.examiner.of(WORK / "whole")
        half = Started(WORK / "half", f"--config.train.steps={HALF}").wait()
        assert (whole.status, half.status) == (0, 0) and self.whole["last"]["step"] == STEPS

    def kill(self, workdir: Path) -> dict:
        """Kills one run one to three times, mostly while it trains, and lets it finish."""
        kills, lost, remains = 0, 0, 0
        for _ in range(self.random.randint(1, 3)):
            training = self.random.random() < 0.8
            instant = self.random.uniform(0, self.seconds if training else 1.0)
            there, before = whole_steps(workdir), set(leftovers(workdir))
            process = Started(workdir)
            killed = process.signal(signal.SIGKILL, instant, training=training)
            ended = process.wait()
            lost += self.lost(ended, there)
            kills += killed and ended.status == -signal.SIGKILL
            new = set(leftovers(workdir)) - before
            remains += any(name.endswith(".saving") for name in new)
        there = whole_steps(workdir)
        ended = Started(workdir).wait()
        lost += self.lost(ended, there)
        return {"faults": kills, "in_a_save": remains, "lost": lost,
                "good": ended.status == 0 and not leftovers(workdir)}  # fmt: skip

    def term(self, workdir: Path) -> dict:
        process = Started(workdir)
        number = self.random.choice((signal.SIGTERM, signal.SIGINT))
        sent = process.signal(number, self.random.uniform(0, self.seconds), training=True)
        ended = process.wait()
        stopped = re.search(r"stopped after step (\d+)", ended.last)
        good = ended.status == 42 and bool(stopped) if sent and ended.status else not ended.status
        again = Started(workdir).wait()
        lost = int(stopped[1]) - again.first if stopped else 0
        return {"faults": int(ended.status == 42), "lost": lost, "good": good and again.status == 0}

    def flip(self, workdir: Path) -> dict:
        """One bit of one file of the last checkpoint; a large file is likelier."""
        shutil.copytree(WORK / "half", workdir)
        file = self.a_file(workdir)
        data = bytearray(file.read_bytes())
        bit = self.random.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        return self.goes_on_from_before(workdir, file)

    def truncate(self, workdir: Path) -> dict:
        """A file of the last checkpoint ends early, or, every fourth time, is not there."""
        shutil.copytree(WORK / "half", workdir)
        file = self.a_file(workdir)
        if self.random.random() < 0.25:
            file.unlink()
        else:
            os.truncate(file, self.random.randrange(file.stat().st_size))
        return self.goes_on_from_before(workdir, file)

    def all_damaged(self, workdir: Path) -> dict:
        """Both checkpoints: the program says so; with one of them put back it goes on."""
        shutil.copytree(WORK / "half", workdir)
        for step in whole_steps(workdir):
            file = self.a_file(workdir, step)
            os.truncate(file, self.random.randrange(file.stat().st_size))
        ended = Started(workdir).wait()
        good = ended.status == 2 and "is whole" in ended.last and ended.one_line
        shutil.copytree(WORK / "half", workdir, dirs_exist_ok=True)
        return {"faults": 1, "lost": 0, "good": good and Started(workdir).wait().status == 0}

    def goes_on_from_before(self, workdir: Path, file: Path) -> dict:
        before = whole_steps(workdir)
        ended = Started(workdir).wait()
        named = str(HALF) in ended.text and file.name in ended.text and "warning" in ended.text
        good = ended.status == 0 and named and before[-1] < HALF
        return {"faults": 1, "lost": self.lost(ended, before), "good": good}

    def nan(self, workdir: Path) -> dict:
        """NaN at one step: the run stops, names it, and has saved nothing of it."""
        at = self.random.randrange(STEPS)
        ended = Started(workdir, f"--config.augment.fault.at={at}").wait()
        named = f"disc/adversarial, disc/fake_logit, disc/loss, disc/real_logit, gen/adversarial, "\
                f"gen/fake_logit, gen/loss not finite at step {at + 1}:"  # fmt: skip
        good = ended.status == 1 and named in ended.last and ended.one_line
        there = whole_steps(workdir)
        good &= all(step <= at for step in there) and (at < 10 or there[-1] >= at - 10)
        again = Started(workdir, "--force").wait()
        lost = self.lost(again, there)
        return {"faults": 1, "lost": lost, "good": good and again.status == 0}

    def nan_rolled_back(self, workdir: Path) -> dict:
        """NaN where the key has one of two parities: after few rollbacks it has the other."""
        at = self.random.randrange(STEPS)
        fault = [f"--config.augment.fault.at={at}", "--config.train.rollbacks=20"]
        for parity in (0, 1):
            shutil.rmtree(workdir, ignore_errors=True)
            ended = Started(workdir, *fault, f"--config.augment.fault.parity={parity}").wait()
            summary = json.loads((workdir / "summary.json").read_text())
            if "rollbacks" in summary:
                break
        seen, finite = summary["rollbacks"], self.examiner.of(workdir)
        good = ended.status == 0 and all(event["step"] == at + 1 for event in seen)
        good &= finite["last"]["finite"] and finite["best"]["finite"]
        same = finite["last"]["step"] == STEPS
        return {"faults": len(seen), "lost": 0, "good": good and same, "other": True}

    def full_disk(self, workdir: Path) -> dict:
        """A disk too small: one line says so, what was saved stays; with more room it goes on."""
        with tmpfs(workdir, self.random.randrange(150, 600)) as grow:
            ended = Started(workdir / "run").wait()
            full = ended.status != 0  # else there was room for all of it, by a few kilobytes
            good = not full or (ended.status == 1 and "no space left" in ended.last.lower())
            good &= ended.one_line
            there = whole_steps(workdir / "run")
            grow()
            again = Started(workdir / "run").wait()
            good &= again.status == 0 and not leftovers(workdir / "run")
            told = self.examiner.of(workdir / "run")
        lost = self.lost(again, there) if full else 0
        return {"faults": int(full), "lost": lost, "good": good, "told": told, "line": ended.last}

    def full_disk_retried(self, workdir: Path) -> dict:
        """The same with checkpoint.retry_seconds, and room that appears while the run waits."""
        with tmpfs(workdir, self.random.randrange(300, 600)) as grow:
            process = Started(workdir / "run", "--config.checkpoint.retry_seconds=60.0")
            waited = process.until(lambda: "trying again" in process.text)
            grow()
            ended = process.wait()
            if not waited:  # it was a line of metrics that found no room
                ended = Started(workdir / "run").wait()
            told = self.examiner.of(workdir / "run")
        return {"faults": int(waited), "lost": 0, "good": ended.status == 0, "told": told}

    def lost(self, ended: Ended, there: list[int]) -> int:
        """Steps that were on disk and are played again."""
        return (there[-1] if there else 0) - ended.first if ended.first is not None else 0

    def a_file(self, workdir: Path, step: int = HALF) -> Path:
        paths = [path for path in sorted((workdir / f"checkpoints/{step}").rglob("*"))]
        files = [path for path in paths if path.is_file() and path.stat().st_size]
        return self.random.choices(files, [path.stat().st_size for path in files])[0]

    def run(self, name: str, trial: Callable[[Path], dict], faults: int) -> None:
        """Trials until there were so many faults, or so many trials that none can have worked."""
        done, trials = 0, 0
        while done < faults and trials < 3 * faults:
            workdir, begin = WORK / "trial", time.monotonic()
            shutil.rmtree(workdir, ignore_errors=True)
            found = trial(workdir)
            told = found.pop("told", None) or self.examiner.of(workdir)
            found["equal"] = found.pop("other", False) or told == self.whole
            seconds = round(time.monotonic() - begin, 2)
            line = {"date": date.today().isoformat(), "fault": name, **found, "seconds": seconds}
            self.lines.append(line)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")
            done, trials = done + found["faults"], trials + 1

    def table(self) -> str:
        rows = ["| fault | faults | as promised | steps lost | bit for bit | seconds a fault |"]
        rows.append("|---" * 6 + "|")
        for name in dict.fromkeys(line["fault"] for line in self.lines):
            lines = [line for line in self.lines if line["fault"] == name]
            faults = sum(line["faults"] for line in lines)
            good, equal = (sum(line[key] for line in lines) for key in ("good", "equal"))
            lost, seconds = (sum(line[key] for line in lines) for key in ("lost", "seconds"))
            rows.append(
                f"| {name} | {faults} | {good} of {len(lines)} runs | {lost} "
                f"| {equal} of {len(lines)} | {seconds / max(1, faults):.2f} |"
            )
        return "\n".join(rows)


@contextmanager
def tmpfs(folder: Path, kilobytes: int) -> Iterator[Callable[[], None]]:
    """A file system of that size at `folder`, and what gives it room."""
    folder.mkdir(parents=True)
    mount = lambda *options: subprocess.run(["mount", *options, str(folder)], check=True)
    mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")
    try:
        yield lambda: mount("-o", "remount,size=64m")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run(flags: argparse.Namespace) -> Campaign:
    campaign = Campaign(flags.seed)
    campaign.run("kill -9", campaign.kill, flags.kills)
    campaign.run("SIGTERM or SIGINT", campaign.term, flags.terms)
    campaign.run("a flipped bit", campaign.flip, flags.flips)
    campaign.run("a truncated or missing file", campaign.truncate, flags.truncations)
    campaign.run("no checkpoint whole", campaign.all_damaged, min(5, flags.truncations))
    campaign.run("NaN", campaign.nan, flags.nans)
    campaign.run("NaN, rolled back", campaign.nan_rolled_back, flags.nans // 4)
    if os.geteuid() == 0:
        campaign.run("full disk", campaign.full_disk, flags.disks)
        campaign.run("full disk, retried", campaign.full_disk_retried, flags.disks // 4)
    else:
        print("full disk: left out, since to mount a tmpfs one must be root", file=sys.stderr)
    return campaign


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="some of each, in about two minutes")
    quick = "--quick" in sys.argv
    for name, full, few in (
        ("kills", 200, 8), ("terms", 20, 3), ("flips", 50, 4), ("truncations", 20, 3),
        ("nans", 20, 4), ("disks", 12, 4),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=few if quick else full)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        campaign = run(parse())
        print(campaign.table())
        bad = [line for line in campaign.lines if not (line["good"] and line["equal"])]
        bad += [line for line in campaign.lines if line["lost"]]
        for line in bad:
            print(line, file=sys.stderr)
        sys.exit(bool(bad))
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
