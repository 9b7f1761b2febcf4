from tests.segmentation.api.support import api  # noqa: F401 - fixture
