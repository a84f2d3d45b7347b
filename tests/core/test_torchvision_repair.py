"""In processes of their own: what torchvision does at import cannot be undone in this one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def run(code, tmp_path):
    return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)


def write_fake(tmp_path, body):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text(body)
    (tmp_path / "torchvision/part.py").touch()


BROKEN = """
import torch
import torchvision.part
if not hasattr(torch.ops.torchvision, "nms"):
    raise RuntimeError("operator torchvision::nms does not exist")
healthy = True
"""


def test_lightning_imports_after_the_package(tmp_path):
    code = "import clipit_lightning, lightning, torchvision; print('imported')"
    done = run(code, tmp_path)
    assert done.stdout.strip() == "imported", done.stderr


def test_a_torchvision_without_its_operators_is_repaired(tmp_path):
    write_fake(tmp_path, BROKEN)
    code = "import clipit_lightning, torchvision, torch; print(torchvision.healthy, torch.ops.torchvision.qnms)"
    done = run(code, tmp_path)
    assert done.stdout.startswith("True torchvision.qnms"), done.stderr


def test_a_healthy_torchvision_is_left_alone(tmp_path):
    write_fake(tmp_path, "count = globals().get('count', 0) + 1")
    code = (
        "import clipit_lightning, torchvision, torch; print(torchvision.count, hasattr(torch.ops.torchvision, 'qnms'))"
    )
    assert run(code, tmp_path).stdout.strip() == "1 False"


@pytest.mark.parametrize("error", ["RuntimeError('another')", "ImportError('libc is too old')"])
def test_another_error_is_passed_on(tmp_path, error):
    write_fake(tmp_path, f"raise {error}")
    done = run("import clipit_lightning, torchvision", tmp_path)
    assert error.split("'")[1] in done.stderr
    assert done.returncode == 1


def test_importing_the_package_imports_nothing_heavy(tmp_path):
    heavy = {"torch", "numpy", "torchvision", "lightning", "typing", "importlib.abc"}  # the last two of site-packages
    code = f"import sys; sys.path += {sys.path}; import clipit_lightning; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("with_package", [True, False])
def test_the_line_that_python_runs_when_it_starts(tmp_path, with_package):
    """Installed beside the package, it repairs before anything is imported; alone it does nothing."""
    source = Path(__file__).parents[2] / "src"
    shutil.copy(source / "clipit_lightning.pth", tmp_path)
    code = f"import sys; sys.path += {[str(source)] * with_package}; import site; site.addsitedir({str(tmp_path)!r}); "
    code += "print(len(sys.meta_path), 'clipit_lightning' in sys.modules)"
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("4 True\n" if with_package else "3 False\n", "")
