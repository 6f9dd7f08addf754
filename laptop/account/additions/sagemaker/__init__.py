"""SageMaker: its API for SDK calls, and the Step Functions integrations, with jobs that run as local processes.

A training job runs the real entry point as the PyTorch Deep Learning Container's toolkit does; a transform job starts the
model's own server as the container's entry point does, and sends it the input as Batch Transform does; a processing job
runs the container's command between its files.
"""

from __future__ import annotations

from ..quotas import Quotas
from ..settings import Settings
from . import api, cloudformation, features, steps
from .cloudformation import TYPE as GROUP
from .features import TYPE as FEATURE_GROUP
from .service import SageMaker

__all__ = ["FEATURE_GROUP", "GROUP", "SageMaker", "install"]


def install(settings: Settings, quotas: Quotas) -> SageMaker:
    service = SageMaker(settings, quotas)
    api.install(service)
    steps.install(service)
    cloudformation.install(service)
    features.install(service)
    return service
