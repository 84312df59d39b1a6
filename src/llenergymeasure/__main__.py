"""``python -m llenergymeasure`` is ``lem``."""

from __future__ import annotations

import sys

from llenergymeasure.cli import main

if __name__ == "__main__":
    sys.exit(main())
