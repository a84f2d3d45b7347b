"""The runner of all benchmarks: variants in turn, round after round, and one table of seconds and ratios."""

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[2]
Call = Callable[[], Any]


class Options(NamedTuple):
    """What the command line says; its ``--help`` has a sentence on each."""

    root: Path = Path("data")
    repeats: int = 5
    threads: int = 1
    against: Path | None = None
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """Variants to compare: calls, or for each a call for each of the phases. The first is the baseline of ratios."""

    title: str
    variants: Mapping[str, Call | Sequence[Call]]
    tolerance: float | None = None
    """Largest difference of what a variant returns from what the baseline returns; None where nothing is compared."""
    phases: Sequence[str] = ("",)
    """A phase is measured together with those before it."""
    warm: bool = True
    """Whether there is a first round that does not count."""


class Measured(NamedTuple):
    """One call: seconds by the clock; of processors, by all threads and ended children; and what it returned."""

    wall: float
    cpu: float
    value: Any
    peak: float = np.nan
    """Largest memory of a process that did nothing else, GiB."""


class NotEqualError(Exception):
    """Variants do not compute the same."""


def check_equal(name: str, value: Any, wanted: Any, tolerance: float) -> None:  # noqa: ANN401 - like an array
    """Raise a NotEqualError unless a value has the shape of the wanted one and differs by the tolerance at most."""
    value, wanted = np.asarray(value, np.float64), np.asarray(wanted, np.float64)
    if value.shape != wanted.shape:
        raise NotEqualError(f"{name}: shape {value.shape} instead of {wanted.shape}")
    gap = float(np.abs(value - wanted).max(initial=0.0))
    if not gap <= tolerance:  # NaN is no agreement
        raise NotEqualError(f"{name}: differs by {gap:.2g}, more than {tolerance:g}")


def measure(call: Call) -> Measured:
    """Time a call; one that measured itself, as those of ``fresh``, counts as it says."""
    began, worked = time.perf_counter(), _cpu_seconds()
    value = call()
    wall, cpu = time.perf_counter() - began, _cpu_seconds() - worked
    return value if isinstance(value, Measured) else Measured(wall, cpu, value)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def command(*words: str, tree: Path = REPOSITORY, threads: int | None = None) -> Call:
    """Run Python with arguments in a checkout, by its source; without ``threads`` as a user does, with all cores."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"PYTHONPATH": str(tree / "src")} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})

    def run() -> None:
        done = subprocess.run([sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr}")

    return run


def fresh(make: Callable[..., Call], *arguments: object) -> Call:
    """Measure the call that ``make(*arguments)`` returns in a new process, with the peak of its memory."""

    def run() -> Measured:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_measure_fresh, make, arguments).result()

    return run


def _measure_fresh(make: Callable[..., Call], arguments: Sequence[object]) -> Measured:
    measured = measure(make(*arguments))
    # Not of getrusage, whose peak begins with that of the parent.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return measured._replace(peak=int(status["VmHWM"].split()[0]) / 2**20)


def run(table: Table, repeats: int) -> pd.DataFrame:
    """Measure all variants in turn, so that a busy machine slows all of them; a row for each phase and variant.

    Raises:
        NotEqualError: A variant returns something else than the baseline.
    """
    base = next(iter(table.variants))
    rounds: list[dict[str, list[Measured]]] = []
    for _ in range(repeats + table.warm):
        calls = {name: (given,) if callable(given) else given for name, given in table.variants.items()}
        rounds.append({name: [measure(call) for call in phases] for name, phases in calls.items()})
        if table.tolerance is not None:
            for name, phases in rounds[-1].items():
                wanted = rounds[-1][base][-1].value
                check_equal(f"{table.title}, {name}", phases[-1].value, wanted, table.tolerance)
    seconds = {  # (rounds, phases, wall and cpu)
        name: np.cumsum([[measured[:2] for measured in done[name]] for done in rounds[table.warm :]], axis=1)
        for name in table.variants
    }
    rows = []
    for number, phase in enumerate(table.phases):
        for name in table.variants:
            own = seconds[name][:, number]  # (rounds, wall and cpu)
            ratios = own / seconds[base][:, number].clip(1e-9)  # (rounds, wall and cpu)
            rows.append(
                {
                    "table": table.title,
                    "variant": f"{phase}: {name}" if phase else name,
                    "rounds": repeats,
                    "wall_s": np.median(own[:, 0]),
                    "cpu_s": np.median(own[:, 1]),
                    "ratio": np.median(ratios[:, 0]),
                    "least": ratios[:, 0].min(),
                    "most": ratios[:, 0].max(),
                    "cpu_ratio": np.median(ratios[:, 1]),
                    "peak_gib": max(done[name][number].peak for done in rounds),
                }
            )
    return pd.DataFrame(rows)


def format_rows(rows: pd.DataFrame) -> str:
    """A table for people; ``least`` and ``most`` are of the ratio over the rounds."""
    shown = rows.drop(columns=["table", "rounds"]).dropna(axis=1).set_index("variant").rename_axis(None)
    return f"\n{rows['table'][0]}; rounds: {rows['rounds'][0]}\n{shown.to_string(float_format='%.3f', justify='right')}"
