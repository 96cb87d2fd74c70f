"""`python -m segsr.cli`."""

import sys

from segsr.cli import main

if __name__ == "__main__":
    sys.exit(main())
