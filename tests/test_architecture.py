"""The way of the data: a module imports only what lies upstream of it."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "clipit_lightning"
UPSTREAM_FIRST = (
    ("errors", "torchvision_repair"),
    ("files",),
    ("yaml_files",),
    ("charts",),
    ("page",),
    ("summary",),  # shots, knapsack and key shots work on plain arrays; importers and the miniature call them
    ("config_learning", "config_sections"),
    ("config",),
    ("config_files",),
    ("data",),
    ("features",),
    ("render", "footage", "cut"),
    ("models",),
    ("unsupervised_losses",),
    ("losses",),
    ("metrics",),
    ("protocol",),
    ("floors", "evaluate", "query_floors"),
    ("run_folder",),
    ("finished_run",),
    ("annotated_report", "query_report"),
    ("report",),
    ("task",),
    ("build",),
    ("objective",),
    ("wandb_runs",),
    ("checkpoints", "history"),
    ("trainers",),
    ("results",),
    ("processes", "run_lock", "devices"),
    ("closed_form",),
    ("folds",),
    ("apart",),
    ("train",),
    ("zero_shot",),
    ("trained_run",),
    ("summarize",),
    ("sweeps",),
    ("compare", "evaluation", "query_evaluation"),
    ("leaderboard",),
    ("board_format",),
    ("grid",),
    ("grid_runs", "grid_report"),
    ("commands",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(UPSTREAM_FIRST) for name in names}
MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


def part(path):
    """First name below the package: a folder or a module."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            below = [f"{node.module}.{each.name}" for each in node.names]
            names = below if node.module == "clipit_lightning" else [str(node.module)]
        yield from names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_what_lies_upstream(path):
    ours = [name.split(".")[1] for name in imports(path) if name.startswith("clipit_lightning.")]
    downstream = [name for name in ours if name in RANK and RANK[name] > RANK[part(path)]]
    siblings = [name for name in ours if name in RANK and RANK[name] == RANK[part(path)] and name != part(path)]
    assert not downstream
    assert not siblings


def test_every_module_has_its_place():
    assert {part(path) for path in MODULES} == set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_are_short_and_not_deep(path):
    assert len(path.read_text().splitlines()) <= 300
    assert len(path.relative_to(SOURCE).parts) <= 2
