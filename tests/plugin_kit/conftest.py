"""An environment with every dependency and none of our packages, as in the packaging tests."""

from tests.architecture.conftest import bare_environment, root

__all__ = ["bare_environment", "root"]
