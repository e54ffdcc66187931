"""`python -m ntkfill` is the command `ntkfill`."""

import sys

from .cli import main

sys.exit(main())
