"""``python -m models.pocket.scenes --out FOLDER [--seed N]`` draws contact sheets of the scenes."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.pocket.scenes.contact_sheets import draw_sheets


def main() -> None:
    """Draw, and say where."""
    parser = argparse.ArgumentParser(
        prog="python -m models.pocket.scenes", description="Draw contact sheets of the scenes."
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the PNG files go")
    parser.add_argument("--seed", type=int, default=0, help="other scenes (default: 0)")
    arguments = parser.parse_args()
    for path in draw_sheets(arguments.out, arguments.seed):
        print(path)


if __name__ == "__main__":
    main()
