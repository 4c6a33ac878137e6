"""A re-indexed head gives the trained head's logits for the rows that it took."""

import numpy as np
import pytest
import torch

from finetune.label_space.head_rows import HeadRows
from finetune.label_space.parse import LabelSpaceError
from finetune.label_space.reindex import reindex_head


def drawn(rows: list[int], trained: int, width: int = 16, seed: int = 0) -> tuple:
    """Whole numbers, whose products are exact in whatever order they are added."""
    draw = torch.Generator().manual_seed(seed)

    def integers(*shape: int) -> torch.Tensor:
        return torch.randint(-50, 50, shape, generator=draw).float()

    heads = (
        (integers(trained, width), integers(trained)),
        (
            integers(len(rows), width),
            integers(len(rows)),
        ),
    )
    names = tuple(f"class {i}" for i in range(len(rows)))
    return *heads, HeadRows(np.asarray(rows, dtype=np.int64), trained, names), integers(200, width)


def test_the_best_class_is_the_best_of_the_rows_taken() -> None:
    for seed in range(10):
        draw = np.random.default_rng(seed)
        taken = draw.permutation(40)[: draw.integers(1, 40)].tolist()
        (weight, bias), fresh, rows, features = drawn(taken, 40, seed=seed)
        logits = features @ weight.T + bias
        new_weight, new_bias = reindex_head(weight, bias, rows, *fresh)
        assert torch.equal(features @ new_weight.T + new_bias, logits[:, taken])
        best = (features @ new_weight.T + new_bias).argmax(1)
        among = torch.full_like(logits, -torch.inf)
        among[:, taken] = logits[:, taken]
        assert torch.equal(
            logits.gather(1, torch.tensor(taken)[best][:, None])[:, 0], among.amax(1)
        )


def test_classes_without_a_row_keep_the_fresh_one() -> None:
    (weight, bias), (fresh_weight, fresh_bias), rows, _ = drawn([3, -1, 0, 3], 5)
    new_weight, new_bias = reindex_head(weight, bias, rows, fresh_weight, fresh_bias)
    for place, row in enumerate(rows.rows.tolist()):
        source = (fresh_weight[place], fresh_bias[place]) if row < 0 else (weight[row], bias[row])
        assert torch.equal(new_weight[place], source[0]) and new_bias[place] == source[1]


def test_it_is_a_copy_of_the_fresh_heads_type() -> None:
    (weight, bias), fresh, rows, _ = drawn([1, 0, -1], 2)
    kept = [tensor.clone() for tensor in (weight, bias, *fresh)]
    parameters = [torch.nn.Parameter(tensor) for tensor in fresh]
    new = reindex_head(weight.half(), bias.half(), rows, *parameters)
    assert all(tensor.dtype == torch.float32 and not tensor.requires_grad for tensor in new)
    for tensor in new:
        tensor.fill_(7)
    assert all(map(torch.equal, (weight, bias, *fresh), kept))


def test_reindexing_with_all_rows_in_order_changes_nothing() -> None:
    (weight, bias), fresh, rows, _ = drawn(list(range(6)), 6)
    once = reindex_head(weight, bias, rows, *fresh)
    assert torch.equal(once[0], weight) and torch.equal(once[1], bias)
    assert all(map(torch.equal, reindex_head(*once, rows, *fresh), once))


def test_heads_that_do_not_fit_are_refused() -> None:
    (weight, bias), fresh, rows, _ = drawn([1, 0], 3)
    with pytest.raises(LabelSpaceError, match="the trained one has 2 rows for 3 classes"):
        reindex_head(weight[:2], bias[:2], rows, *fresh)
    with pytest.raises(LabelSpaceError, match="the fresh one has 1 rows for 2 classes"):
        reindex_head(weight, bias, rows, fresh[0][:1], fresh[1][:1])
    weight[2] = torch.nan
    reindex_head(weight, bias, rows, *fresh)  # no class takes the row
    bias[0] = torch.inf
    with pytest.raises(LabelSpaceError, match="the row of class 1 is not finite"):
        reindex_head(weight, bias, rows, *fresh)
