"""Writes `config-reference.md`: `make docs` runs it in the checkout."""

from pathlib import Path

from finetune.config import FinetuneConfig
from launch.key_reference import reference_page
from pretrain.config import PretrainConfig

if __name__ == "__main__":
    page = reference_page({"pretrain": PretrainConfig, "finetune": FinetuneConfig})
    (Path(__file__).parent / "config-reference.md").write_text(page, encoding="utf-8")
