"""Google's client of Cloud Storage, without the calls that it makes on its own account."""

from __future__ import annotations

import os
from typing import Any, Final

from google.cloud import storage

#: Since 3.17 the client asks for each bucket's place in a thread of its own, and again after every object that is not
#: there, to name it in spans that nobody asked it for: a permission that no process of ours has, and two minutes of
#: trying again where nobody answers. Read at every call (google/cloud/storage/_opentelemetry_tracing.py).
NO_BUCKET_METADATA: Final = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"


def storage_client(project: str, **options: Any) -> storage.Client:  # noqa: ANN401 - of Google's constructor
    """The client, with Google's own options. ``STORAGE_EMULATOR_HOST`` is honoured by the client itself."""
    os.environ.setdefault(NO_BUCKET_METADATA, "true")
    return storage.Client(project=project, **options)
