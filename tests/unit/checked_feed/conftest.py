import pytest

from breakwater.evm import EvmHost


@pytest.fixture
def host():
    return EvmHost()
