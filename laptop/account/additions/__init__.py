"""What MiniStack lacks and Segue needs, added through MiniStack's own registries."""

from __future__ import annotations

from . import cache, database, endpoints, internals, network, quotas, sagemaker
from .settings import Settings


def install(settings: Settings) -> sagemaker.SageMaker:
    """Adds everything. Raises internals.MissingInternal when MiniStack lacks a registry."""
    internals.check()
    cache.install(settings)
    database.install(settings)
    endpoints.install(settings)
    network.install()
    available = quotas.install()
    return sagemaker.install(settings, available)
