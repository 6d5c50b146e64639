"""Each worker computes on one thread: there are as many workers as cores."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
