"""``python -m fxexport``."""

import sys

from fxexport.cli import main

if __name__ == "__main__":
    sys.exit(main())
