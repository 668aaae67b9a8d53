"""A worker without a model: the test pattern in its place. For benchmarks and tests of everything around the model.

Run as ``python -m local.instant_worker``; ``STEP_S`` is how long each denoising step takes, in seconds.
"""

from __future__ import annotations

import os

from gpu_job.main import main
from gpu_job.test_pattern import TestPatternRenderer

if __name__ == "__main__":
    main(lambda _settings: TestPatternRenderer(float(os.environ.get("STEP_S", "0"))))
