"""How long each stage of a render takes, and what each lever of a recipe gains against plain diffusers in the same run.

On a CPU: the pocket model, and Wan's classes at toy size. With ``--full``, on a GPU: Wan 2.1 1.3B at 832x480x81 and
Wan 2.2 5B at 832x480x121 and 1280x704x121, at their full size with random weights, in less than three minutes on an
H100. Each line is printed as soon as it is known, so a run that is stopped has told what it found. Nothing is
downloaded.

Run as ``make bench-render``, or ``python -m bench.render --full --json render.json``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

BEGUN = time.monotonic()  # what is imported below takes seconds too


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.render", description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--full", action="store_true", help="full-size architectures with random weights, on a GPU")
    where.add_argument("--whole", action="store_true", help="one full-size clip from prompt to videos, on a GPU")
    parser.add_argument(
        "--tiny", action="store_true", help="what --full (or --whole, beside it) does, at toy size, on a CPU too"
    )
    parser.add_argument(
        "--limit-s", type=float, default=480, help="begin nothing that ends after so many seconds (480)"
    )
    parser.add_argument("--json", type=Path, help="file for what is found; with --full, to append to, line by line")
    parser.add_argument("--levers", nargs="*", help="which, without --full (all; none when it stands alone)")
    parser.add_argument("--models-dir", type=Path, default=Path("models/weights"), help="where the pocket model lies")
    arguments = parser.parse_args()
    if not (arguments.full or arguments.whole or arguments.tiny):
        from rich.console import Console  # noqa: PLC0415 - each needs packages that the other does not

        from bench.findings import report  # noqa: PLC0415
        from bench.render_tables import measure_all  # noqa: PLC0415

        findings = measure_all(arguments.models_dir, levers=arguments.levers, ends_at=BEGUN + arguments.limit_s)
        report("A render, without a GPU", findings, console=Console(), json_path=arguments.json)
        return
    import torch  # noqa: PLC0415 - as above

    from bench import render_gpu  # noqa: PLC0415
    from bench.journal import Journal  # noqa: PLC0415
    from bench.whole_render import measure_whole  # noqa: PLC0415

    if not arguments.tiny and not torch.cuda.is_available():
        sys.exit("Error: this needs a GPU, and torch finds none.")
    journal = Journal(arguments.json, limit_s=arguments.limit_s, begun=BEGUN)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sizes = render_gpu.TINY if arguments.tiny else render_gpu.FULL
    if arguments.whole:
        measure_whole(journal, sizes.small, device)
        return
    render_gpu.measure(journal, sizes, device)


if __name__ == "__main__":
    main()
