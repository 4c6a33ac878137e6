"""DeepSpeed's undocumented names, in the source of the installed version."""

import ast
import math
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch

from launch.training.deepspeed_private import PRIVATE_NAMES, import_deepspeed

DEEPSPEED = distribution("deepspeed")


def defined_names(module: str) -> set[object]:
    """Functions, imports, variables, attributes and keys that a module defines or assigns."""
    path = Path(str(DEEPSPEED.locate_file(module.replace(".", "/"))))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names: set[object] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        if isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name for each in node.names}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            names |= {each.value for each in [node.slice] if isinstance(each, ast.Constant)}
    return names


@pytest.mark.parametrize("module", PRIVATE_NAMES)
def test_deepspeed_defines_the_names_that_are_used(module: str) -> None:
    missing = set(PRIVATE_NAMES[module]) - defined_names(module)
    assert not missing, (
        f"DeepSpeed {DEEPSPEED.version}: {module} no longer defines {sorted(missing)}; change "
        "launch/training/deepspeed_private.py before you raise the bound in requirements.txt"
    )


def test_a_name_that_is_only_used_is_not_defined() -> None:
    names = defined_names("deepspeed.runtime.zero.stage3")
    assert "grad_position" in names and "get_param_id" in names
    assert "get_rank" not in names


def test_bad_norms_are_marked_as_deepspeed_marks_them() -> None:
    from deepspeed.runtime import utils

    original = utils.mask_nan_or_inf_with_val_inplace
    import_deepspeed(torch.device("cpu"))
    from deepspeed.runtime.zero import stage3, stage_1_and_2

    for value in (0.0, 2.5, math.nan, math.inf, -math.inf):
        ours, theirs = torch.tensor(value), torch.tensor(value)
        stage_1_and_2.mask_nan_or_inf_with_val_inplace(ours, device=ours.device)
        original(theirs, device=theirs.device)
        assert ours == theirs == (value if math.isfinite(value) else -1)
    replaced = {each.mask_nan_or_inf_with_val_inplace for each in (utils, stage3, stage_1_and_2)}
    assert len(replaced) == 1
