"""The untrained model, built once for all tests of rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models that holds the untrained one."""
    from tests.render import untrained_wan  # noqa: PLC0415 - imports torch, without which these tests are skipped

    folder = tmp_path_factory.mktemp("models")
    untrained_wan.pipeline().save_pretrained(folder / untrained_wan.SOURCE)
    return folder
