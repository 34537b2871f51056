"""For all tests: nothing speaks TLS to anybody, so nobody waits for a hundred authorities to be read."""

import os

from tests.harness import AUTHORITY

os.environ["SSL_CERT_FILE"] = str(AUTHORITY)
