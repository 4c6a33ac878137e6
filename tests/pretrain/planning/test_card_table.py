"""A recipe on every card."""

import pytest

from launch.capacity.cards import CARDS
from tests.pretrain.planning.test_plan import plan

AUTO = ("batch={global_batch_size: 131072, micro_batch_size: auto}", "engine.zero_stage=auto")
TINY = ("encoder.depth=1", "decoder={embed_dim: 96, depth: 1, num_heads: 3}")


def test_each_card_has_its_choice_and_its_speed() -> None:
    done = plan("demo", "--gpu", "all", *AUTO, *TINY)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    head = next(i for i, line in enumerate(lines) if line.split()[:1] == ["card"])
    found = {line.split()[0]: line.split()[1:] for line in lines[head + 1 : head + 1 + len(CARDS)]}
    assert list(found) == [card.name for card in CARDS]
    for card in CARDS:
        memory, bus, precision, micro_batch, stage, recompute, used, *speed = found[card.name]
        size, accumulated = map(int, micro_batch.split("x"))
        assert (float(memory), bus) == (card.memory_gib, card.bus)
        assert precision == ("fp16" if card.name.startswith("v100") else "bf16")
        assert size * accumulated == 131072 and float(used) <= 0.85 * card.memory_gib + 0.05
        assert (stage, recompute) == ("1", "no")
        assert 1 < int(speed[1]) <= int(speed[2])
    assert int(found["h200-141"][3].split("x")[0]) > int(found["rtx-4090-24"][3].split("x")[0])
    speeds = {name: int(row[7]) for name, row in found.items()}
    assert speeds["h100-pcie-80"] * 989 == pytest.approx(speeds["h100-80"] * 756, rel=0.01)
