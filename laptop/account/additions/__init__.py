"""What MiniStack lacks and Segue needs, added through MiniStack's own registries."""

from __future__ import annotations

from . import (
    alarms,
    budget,
    cache,
    calls,
    database,
    encryption,
    endings,
    endpoints,
    firewall,
    internals,
    lambdas,
    maps,
    network,
    outputs,
    quotas,
    replacement,
    roles,
    sagemaker,
    streams,
)
from .settings import Settings

#: CloudFormation types whose handlers wait for a server or load a model, which must not hold MiniStack's event loop.
WAITING = frozenset({cache.CACHE, cache.USER, database.CLUSTER, database.INSTANCE, sagemaker.GROUP, sagemaker.FEATURE_GROUP})


def install(settings: Settings) -> sagemaker.SageMaker:
    """Adds everything. Raises internals.MissingInternal when MiniStack lacks a registry."""
    internals.check()
    alarms.install()
    budget.install()
    cache.install(settings)
    database.install(settings)
    encryption.install()
    endings.install()
    endpoints.install(settings)
    firewall.install()
    lambdas.install()
    maps.install()
    network.install()
    outputs.install()
    roles.install()
    streams.install()
    available = quotas.install()
    _wait_in_threads()
    jobs = sagemaker.install(settings, available)
    # Last: it fills in what nobody above has said of its own types.
    replacement.install()
    calls.install(settings)
    return jobs


def _wait_in_threads() -> None:
    import ministack.services.cloudformation.stacks as stacks

    original = internals.need("ministack.services.cloudformation.stacks", "_runs_on_worker_thread")
    stacks._runs_on_worker_thread = lambda kind: kind in WAITING or original(kind)
