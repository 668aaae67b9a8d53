"""What a function imports beyond what everything of ours stands on, by package.

Enter: the modules that two processes have loaded. Leaves: how many more there are of each package.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: The floor: Google's clients, the framework and pydantic.
FOUNDATIONS: Final = (
    "import functions_framework, pydantic; from google.cloud import firestore, storage, pubsub_v1; "
    "from google.auth.transport import requests"
)
#: After imports: prints the modules that are loaded.
PRINTED: Final = "; import sys; print(*sys.modules)"
#: Not from any package index: what lies in the function's folder, and Python's standard library.
ITS_OWN: Final = "its own"
SHARED: Final = "shared"
PYTHON: Final = "Python's"


def beyond(floor: set[str], modules: set[str], *, bundle: Path) -> Counter[str]:
    """How many modules there are beyond the floor, by package; of the bundle's folder and of Python as one each."""
    return Counter(_package(module, bundle) for module in modules - floor)


def packages(found: Counter[str]) -> set[str]:
    """Those that come from a package index."""
    return set(found) - {ITS_OWN, SHARED, PYTHON}


def told(found: Counter[str]) -> str:
    """In words, the most first."""
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _package(module: str, bundle: Path) -> str:
    top, *below = module.split(".")
    if (bundle / f"{top}.py").exists():
        return ITS_OWN
    # The compiler's settings have a module that is named for the machine.
    if top in sys.stdlib_module_names or top.startswith("_sysconfigdata"):
        return PYTHON
    # Many packages share this name.
    return f"{top}.{below[0]}" if top == "google" and below else top
