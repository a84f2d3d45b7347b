import pytest

from clipit_lightning.data.importing import import_distributed
from tests.support.synthetic import SHARED


@pytest.fixture(scope="session")
def real_stores(tmp_path_factory):
    """The stores of the real annotations."""
    root = tmp_path_factory.mktemp("real")
    import_distributed([SHARED], root)
    return root
