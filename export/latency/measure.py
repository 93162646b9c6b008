"""Times the networks of `manifest.json`, and makes a latency table of them: python measure.py [--help]"""

import sys

from timing import stopwatch

if __name__ == "__main__":
    sys.exit(stopwatch.main())
