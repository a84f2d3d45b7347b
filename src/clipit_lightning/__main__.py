"""`python -m clipit_lightning`, the same as `clipit`."""

import sys

from clipit_lightning.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
