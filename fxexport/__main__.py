"""``python -m fxexport``."""

import sys

from fxexport.command.main import main

if __name__ == "__main__":
    sys.exit(main())
