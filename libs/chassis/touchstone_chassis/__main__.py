"""Starts a service: `python -m touchstone_chassis NAME --config FILE`."""

import sys

from touchstone_chassis.runtime.process import main

if __name__ == "__main__":
    sys.exit(main())
