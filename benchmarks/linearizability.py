"""Engine times, peak memory and verdicts on generated histories, with Porcupine's beside them where it is given.

    python -m benchmarks.linearizability [--porcupine CHECKOUT] [--pure] [--timeout 60] [NAME ...]

A time is what the judgement takes from a list of operations to a verdict, the best of several; each engine runs in a
process of its own, whose peak memory is told less what it held before it began. Porcupine is compiled with the Go
toolchain on the machine from a checkout of https://github.com/anishathalye/porcupine and judges the same operations
(benchmarks/porcupine/main.go has its models); its peak memory is the process's.
"""

import argparse
import contextlib
import gc
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.generated import TrueCounter, TrueLog, TrueQueue, TrueRegister, generate, mutex_history
from fencepost.checkers.linearizability import Model, Operation, compiled, linearizable, models
from fencepost.harness.budget import WallBudget

_REGISTER = models.Register("etcd", 0, cas=True, nil_reads="literal")
_PORCUPINE = Path(__file__).parent / "porcupine" / "main.go"
#: A judgement is repeated for about so long.
_REPEAT_S = 1.0


class Case(NamedTuple):
    """A history: its name, how it is made, our model and Porcupine's."""

    name: str
    make: Callable[[], list[Operation]]
    model: Model
    porcupine: str
    engines: tuple[str, ...] = ("compiled", "pure")


def _crashing(share: float, bad: bool) -> Callable[[], list[Operation]]:
    return lambda: generate(TrueRegister, 10, 1_000, 7, crashed=share, bad=bad)


def _crowded(values: int, bad: bool) -> Callable[[], list[Operation]]:
    return lambda: generate(lambda: TrueRegister(values), 100, 10_000, 3, bad=bad)


CASES = [
    Case("10 clients, 10,000 operations", lambda: generate(TrueRegister, 10, 10_000, 1), _REGISTER, "register"),
    Case("10 clients, 10,000 operations, bad", lambda: generate(TrueRegister, 10, 10_000, 1, bad=True), _REGISTER,
         "register"),
    Case("50 clients, 50,000 operations, 100 keys", lambda: generate(TrueRegister, 50, 50_000, 2, keys=100), _REGISTER,
         "register"),
    *(Case(f"1,000 operations, {share} % crashed{', bad' * bad}", _crashing(share / 100, bad), _REGISTER, "register")
      for share in (2, 5, 10) for bad in (False, True)),
    *(Case(f"100 clients, 10,000 operations{', bad' * bad}", _crowded(5, bad), _REGISTER, "register")
      for bad in (False, True)),
    *(Case(f"100 clients, 10,000, ten values{', bad' * bad}", _crowded(10, bad), _REGISTER, "register")
      for bad in (False, True)),
    Case("10 clients, 1,000,000 operations", lambda: generate(TrueRegister, 10, 1_000_000, 4), _REGISTER, "register",
         ("compiled",)),
    Case("queue, 10 clients, 2,000 operations", lambda: generate(TrueQueue, 10, 2_000, 5), models.FifoQueue(), "queue"),
    Case("log, 10 clients, 2,000 operations", lambda: generate(TrueLog, 10, 2_000, 5), models.Log(), "log"),
    Case("counter, 10 clients, 10,000 operations", lambda: generate(TrueCounter, 10, 10_000, 5), models.Counter(),
         "counter"),
    Case("mutex, 10 clients, 10,000 operations", lambda: mutex_history(10, 10_000, 5), models.Mutex(), "mutex"),
]


class Measured(NamedTuple):
    """What one engine did: seconds (None where it failed), bytes and the verdict."""

    seconds: float | None
    peak_bytes: int
    verdict: str

    def words(self) -> str:
        """In a column of the table."""
        if self.seconds is None:
            return f"{self.verdict:>32}"
        return f"{1000 * self.seconds:11,.1f} ms {self.peak_bytes / 1e6:7,.0f} MB {self.verdict:>8}"


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _judge(place: int, engine: Any, timeout_s: float) -> Measured:
    """In a process of its own: judge a case again and again for a while; the best time is told."""
    case = CASES[place]
    operations = case.make()
    gc.collect()
    gc.freeze()
    before = _peak_bytes()
    best, spent, verdict = float("inf"), 0.0, ""
    while spent < _REPEAT_S:
        began = time.perf_counter()
        verdict = linearizable(operations, case.model, engine=engine, budget=WallBudget(timeout_s)).verdict
        took = time.perf_counter() - began
        best, spent = min(best, took), spent + took
    return Measured(best, _peak_bytes() - before, verdict)


def measure(place: int, engine: str, timeout_s: float) -> Measured:
    """One case by one of our engines."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_judge, place, engine, timeout_s).result()


def build_porcupine(checkout: Path, folder: Path) -> Path:
    """Compile Porcupine with our models; raises SystemExit in one line where that is impossible."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        sys.exit("--porcupine: there is no go on this machine; leave the option out")
    if not (checkout / "porcupine.go").exists():
        sys.exit(f"--porcupine {checkout}: this is no checkout of Porcupine (it has no porcupine.go)")
    shutil.copy(_PORCUPINE, folder)
    (folder / "go.mod").write_text(
        "module bench\n\ngo 1.16\n\nrequire github.com/anishathalye/porcupine v0.0.0\n\n"
        f"replace github.com/anishathalye/porcupine => {checkout.resolve()}\n")
    subprocess.run([go, "build", "-o", "judge", "."], cwd=folder, check=True)
    return folder / "judge"


def measure_porcupine(judge: Path, case: Case, timeout_s: float) -> Measured:
    """One case by Porcupine."""
    text = "\n".join(_line(operation) for operation in case.make()) + "\n"
    process = subprocess.Popen(
        [str(judge), case.porcupine, str(int(timeout_s))], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        preexec_fn=_limit_memory)
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(text)
        process.stdin.close()
    answer = process.stdout.read().split()
    _, process.returncode, usage = os.wait4(process.pid, 0)
    peak_bytes = usage.ru_maxrss * 1024
    if len(answer) != 2:
        return Measured(None, peak_bytes, "out of memory")
    return Measured(float(answer[0]), peak_bytes, answer[1])


def _limit_memory() -> None:
    """Porcupine may hold 10 GB, so that the machine lives."""
    resource.setrlimit(resource.RLIMIT_AS, (10 * 10**9, 10 * 10**9))


def _line(operation: Operation) -> str:
    arguments = operation.argument if isinstance(operation.argument, tuple) else (operation.argument, None)
    words = ["" if value is None else str(value).lower() for value in (operation.key, *arguments, operation.result)]
    return "\t".join([str(operation.process), str(operation.call),
                      str(-1 if operation.ret is None else operation.ret), operation.f, *words])


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linearizability")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only histories with one of these in their names")
    parser.add_argument("--porcupine", type=Path, metavar="CHECKOUT", help="compare with this checkout of Porcupine")
    parser.add_argument("--no-pure", action="store_true", help="leave the engine in plain Python out")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for each judgement (60)")
    options = parser.parse_args(arguments)
    engines = [name for name, is_in in (("compiled", compiled.is_there()), ("pure", not options.no_pure)) if is_in]
    with tempfile.TemporaryDirectory() as folder:
        judge = build_porcupine(options.porcupine, Path(folder)) if options.porcupine else None
        columns = engines + ["Porcupine"] * (judge is not None)
        print(f"{'history':42}" + "".join(f"{name:>33}" for name in columns))
        for place, case in enumerate(CASES):
            if options.names and not any(name in case.name for name in options.names):
                continue
            found = [measure(place, engine, options.timeout) if engine in case.engines else Measured(None, 0, "-")
                     for engine in engines]
            if judge is not None:
                found.append(measure_porcupine(judge, case, options.timeout))
            print(f"{case.name:42}" + "".join(" " + one.words() for one in found), flush=True)


if __name__ == "__main__":
    main()
