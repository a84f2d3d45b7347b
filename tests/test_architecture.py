"""What holds of all source files: a room imports only what lies below it, all is short, and no file is run."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "clipit_lightning"
PACKAGES = ("", ".models", ".data", ".evaluation", ".training", ".pipelines")
MAY_IMPORT = {
    "core": set(),
    "models": set(),
    "summary": {"core"},
    "video": {"summary", "core"},
    "data": {"summary", "core"},
    "evaluation": {"data", "summary", "core"},
    "training": {"evaluation", "data", "models", "core"},
    "studies": {"training", "evaluation", "data", "core"},
    "pipelines": {"training", "evaluation", "data", "video", "models", "summary", "core"},
    "cli": {"pipelines", "studies", "training", "evaluation", "data", "video", "models", "summary", "core"},
}
MODULES = sorted(SOURCE.rglob("*.py"))
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 300, 60
FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"}
FORBIDDEN |= {"pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "joblib.load", "shelve.open"}
FORBIDDEN |= {"marshal.loads", "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
FROM_OUR_PROCESSES = {  # a pipe from the parent, and a file of a child in a folder that nobody else may enter
    ("core/processes.py", "pickle.load"),
    ("training/ranks.py", "pickle.loads"),
}
NEEDED = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a module imports from; ``root`` where it takes a name of the package itself, which is above all."""
    names = [name.split(".")[1] for name in imports(path) if name.startswith("clipit_lightning.")]
    return {name if name in MAY_IMPORT else "root" for name in names if name != "__version__"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room):
    wrong = {
        str(path.relative_to(SOURCE)): sorted(rooms)
        for path in (SOURCE / room).rglob("*.py")
        if (rooms := imported_rooms(path) - MAY_IMPORT[room] - {room})
    }
    assert not wrong


def test_every_module_is_in_a_room_and_not_deep():
    rooms = [path.relative_to(SOURCE).parts for path in MODULES if path.parent != SOURCE]
    assert {room for room, *_ in rooms} == set(MAY_IMPORT)
    assert {len(names) for names in rooms} == {2}
    assert {path.name for path in SOURCE.glob("*.py")} <= {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_a_package_offers_is_there(package):
    module = import_module(f"clipit_lightning{package}")
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        module.Nothing  # noqa: B018


def test_files_are_short():
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in MODULES}
    assert not {name: length for name, length in lengths.items() if length > LINES_OF_A_FILE}


def test_functions_are_short():
    functions = {
        f"{path.relative_to(SOURCE)}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: length for name, length in functions.items() if length > LINES_OF_A_FUNCTION}


def private_names_used(node: ast.AST, private: set[str]) -> Iterator[str]:
    """Private names of the package, in a line of a test."""
    if isinstance(node, ast.Attribute) and node.attr in private and ast.unparse(node.value) != "self":
        yield node.attr
    if isinstance(node, ast.ImportFrom) and str(node.module).startswith("clipit_lightning"):
        yield from private.intersection(alias.name for alias in node.names)
    if isinstance(node, ast.Constant) and str(node.value).startswith("clipit_lightning."):
        yield from private.intersection(str(node.value).split("."))


def test_tests_reach_no_private_name():
    definition = re.compile(r"(?:def |class |self\.|^ *)(_[a-zA-Z]\w*)", re.MULTILINE)
    private = {name for path in MODULES for name in definition.findall(path.read_text())}
    wrong = {
        f"{path.relative_to(TESTS)}:{node.lineno}": names
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (names := list(private_names_used(node, private)))
    }
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_code_runs_what_a_file_says(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name, options = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if (str(path.relative_to(SOURCE)), name) in FROM_OUR_PROCESSES:
            continue
        assert name not in FORBIDDEN, f"line {node.lineno}: {name}"
        assert options.get("shell", "False") == "False", f"line {node.lineno}: {name} with a shell"
        key, value = NEEDED.get(name, ("", None))
        assert options.get(key) == (str(value) if key else None), f"line {node.lineno}: {name} without {key}={value}"
        assert name != "trainer.fit" or "ckpt_path" not in options or options.get("weights_only") == "True"
