"""scikit-build-core; an sdist gets a copy of the library's sources, so that it builds without the repository."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from scikit_build_core import build as core
from scikit_build_core.build import *  # noqa: F401,F403

HERE = Path(__file__).resolve().parent
COPY = HERE / "skald"
PARTS = ("CMakeLists.txt", "LICENSE", "include", "lib", "backends", "pkgconfig")


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    root = HERE.parents[1]
    if COPY.exists():  # an sdist of an sdist
        return core.build_sdist(sdist_directory, config_settings)
    try:
        COPY.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (root / part).is_dir() else shutil.copy
            copy(root / part, COPY / part)
        return core.build_sdist(sdist_directory, config_settings)
    finally:
        shutil.rmtree(COPY)
