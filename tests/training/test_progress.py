import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from tests.support.commands import CLIPIT, PATIENCE, QUICK, clipit, environment

pytestmark = pytest.mark.slow
LINE = re.compile(r"fold 1  epoch (\d) of 2  loss \d\.\d{3}(?:  tau -?0\.\d{3})? ")


def on_a_terminal(columns, *words):
    """What `clipit train` draws on a terminal so wide, as lines without escapes."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = environment() | {"TERM": "xterm"}
    with subprocess.Popen([*CLIPIT, "train", *QUICK, *words], stdout=there, stderr=there, env=variables) as process:
        os.close(there)
        drawn = b""
        try:
            while piece := os.read(here, 65_536):
                drawn += piece
        except OSError:  # Linux says so that the other side is closed
            pass
        assert process.wait(PATIENCE) == 0, drawn.decode()
    os.close(here)
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode()))


def test_a_bar_shows_fold_epoch_loss_and_tau_on_one_line(stores, tmp_path):
    words = [f"data.root={stores}", f"output={tmp_path / 'run'}", "data.fold=1"]
    lines = on_a_terminal(80, *words)
    bars = [line for line in lines if "loss" in line]
    assert all(LINE.match(line) and len(line) <= 80 for line in bars)
    assert {LINE.match(line)[1] for line in bars} == {"1", "2"}
    assert any(" tau " in line for line in bars)
    first, last = (
        next(number for number, line in enumerate(lines) if line.startswith(start))
        for start in ("tvsum, canonical, ", "protocol  ")
    )
    assert last - first > 15
    assert max(map(len, lines[first:last])) <= 80


def test_without_a_terminal_or_with_folds_side_by_side_there_are_lines_only(stores, tmp_path):
    words = [f"data.root={stores}", "optim.epochs=1"]
    done = clipit("train", *QUICK, *words, f"output={tmp_path / 'one'}", "data.fold=1")
    assert done.stderr == ""
    lines = on_a_terminal(80, *words, f"output={tmp_path / 'two'}", "trainer.devices=2", "trainer.parallel=folds")
    assert not [line for line in lines if "loss" in line]
    assert any("2 folds, side by side, a line as each ends" in line for line in lines)
    assert len([line for line in lines if re.match(r"fold [01]: tau .* F1 \d+\.\d  ", line)]) == 2
