"""`python -m edgellm` is the command `edgellm`."""

import sys

from edgellm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
