"""An environment with every dependency and nothing of ours, as the packaging tests have it."""

from tests.architecture.conftest import bare_environment, root

__all__ = ["bare_environment", "root"]
