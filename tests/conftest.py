"""Settings that every test shares."""

import os

from hypothesis import settings

# A property that starts a node now and then takes longer than Hypothesis' 200 ms on a busy machine; a test that hangs
# is what pytest's own timeout is for. The same examples each time, so that a failure belongs to the change that it
# appears with; EVERPROC_THOROUGH=1 searches twenty times as many others.
settings.register_profile("unhurried", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, derandomize=False, print_blob=True, max_examples=2000)
settings.load_profile("thorough" if os.environ.get("EVERPROC_THOROUGH") else "unhurried")
