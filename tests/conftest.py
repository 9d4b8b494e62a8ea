"""Settings that every test shares."""

from hypothesis import settings

# A property that starts a node now and then takes longer than Hypothesis' 200 ms on a busy machine; a test that hangs
# is what pytest's own timeout is for.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
