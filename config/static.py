"""How static files are stored for a server."""

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names with a checksum also where a JavaScript module imports another: none is served from an old cache."""

    support_js_module_import_aggregation = True
