"""How long each stage of a render takes, and what each lever of a recipe gains against plain diffusers in the same run.

On a CPU: the pocket model, and Wan's classes at toy size. With ``--full``, on a GPU: Wan 2.1 1.3B at 832x480x81 and
Wan 2.2 5B at 1280x704x121 at their full size with random weights, within ten minutes on an H100. Each line is printed
as soon as it is known, so a run that is stopped has told what it found. Nothing is downloaded.

Run as ``make bench-render``, or ``python -m bench.render --full``.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import diffusers
import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from bench.architectures import FULL, TINY
from bench.render_tables import LEVERS, measure, measure_encoder
from bench.subjects import pocket, wan


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.render", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="full-size architectures with random weights, on a GPU")
    parser.add_argument("--limit-s", type=float, default=480, help="begin no lever after so many seconds (480)")
    parser.add_argument("--levers", nargs="*", default=list(LEVERS), choices=list(LEVERS), help="which (all)")
    parser.add_argument("--models-dir", type=Path, default=Path("models/weights"), help="where the pocket model lies")
    arguments = parser.parse_args()
    if arguments.full and not torch.cuda.is_available():
        sys.exit("Error: --full needs a GPU, and torch finds none.")
    device = torch.device("cuda" if arguments.full else "cpu")
    begun = time.monotonic()
    for silence in (diffusers_logging, transformers_logging):
        silence.disable_progress_bar()
        silence.set_verbosity_error()
    logging.getLogger("gpu_job").setLevel(logging.ERROR)  # what is not applied stands in the table
    name = torch.cuda.get_device_name() if arguments.full else f"{platform.machine()}, {os.cpu_count()} cores"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {name}, load {load}, "
        f"torch {torch.__version__} ({torch.get_num_threads()} threads), diffusers {diffusers.__version__}"
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        measure_encoder(Path(folder))
        if arguments.full:
            # What depends on trained weights would say nothing here.
            names = [each for each in arguments.levers if LEVERS[each].step_cache is None]
            for count, architecture in enumerate(FULL, start=1):
                with tempfile.TemporaryDirectory(prefix="bench-") as weights:
                    subject = wan(architecture, Path(weights), device)
                    ends_at = begun + arguments.limit_s * count / len(FULL)
                    measure(subject, device, Path(folder), names=names, ends_at=ends_at)
        else:
            subjects = (pocket(arguments.models_dir / "pocket"), wan(TINY, Path(folder) / "tiny", device))
            for subject in subjects:
                measure(subject, device, Path(folder), names=arguments.levers, ends_at=begun + arguments.limit_s)


if __name__ == "__main__":
    main()
