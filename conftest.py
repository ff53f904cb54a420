"""What holds for every test of the repository."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

# How long an example takes says how busy the machine is: a property that holds must not fail for that.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End the process of a property test that hangs: hypothesis takes a time-out for a finding and goes on with it."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(method="thread"))


@pytest.fixture(autouse=True, scope="session")
def no_settings_from_the_shell() -> Iterator[None]:
    """Hide ``TE_…`` variables: the engine refuses those that only tests know (``TE_SAMPLES``, read when collecting)."""
    found = {name: value for name, value in os.environ.items() if name.startswith("TE_")}
    for name in found:
        del os.environ[name]
    yield
    os.environ.update(found)
