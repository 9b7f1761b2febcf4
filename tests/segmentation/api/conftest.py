from tests.segmentation.api.support import api, nobody  # noqa: F401 - fixtures
