"""`python -m kerasgen` is `kerasgen`."""

import sys

from kerasgen.cli import main

sys.exit(main())
