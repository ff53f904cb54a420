"""What holds for every test of the repository."""

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is: a property that holds must not fail for that.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
