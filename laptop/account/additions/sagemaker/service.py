"""What SageMaker of this account holds: jobs, models, packages and tags, in memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable

from ..quotas import Quotas
from ..settings import Settings
from .errors import ApiError, invalid
from .jobs import Job
from .s3 import Storage, client


class SageMaker:
    def __init__(self, settings: Settings, quotas: Quotas) -> None:
        self.settings = settings
        self.quotas = quotas
        self.lock = threading.RLock()
        self.training_jobs: dict[str, Job] = {}
        self.tuning_jobs: dict[str, Job] = {}
        self.transform_jobs: dict[str, Job] = {}
        self.processing_jobs: dict[str, Job] = {}
        self.models: dict[str, dict] = {}
        self.package_groups: dict[str, dict] = {}
        self.packages: dict[str, dict] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self._storage: Storage | None = None
        self._logs = None

    @property
    def storage(self) -> Storage:
        with self.lock:
            self._storage = self._storage or Storage(self.settings)
            return self._storage

    @property
    def logs(self):
        with self.lock:
            self._logs = self._logs or client(self.settings, "logs")
            return self._logs

    def arn(self, resource: str) -> str:
        return self.settings.arn("sagemaker", resource)

    def set_tags(self, arn: str, tags: Iterable[dict] | None) -> None:
        self.tags.setdefault(arn, {}).update({tag["Key"]: tag["Value"] for tag in tags or []})

    def reserve(self, jobs: dict[str, Job], job: Job, instance_type: str, wanted: int, use: str) -> None:
        """Adds the job, unless its name is taken or the quota is used up, as AWS words it."""
        with self.lock:
            if job.name in jobs:
                raise ApiError(
                    "ResourceInUse", f"{job.kind} job names must be unique within an AWS account and region: {job.name}"
                )
            limit = self.quotas.of(instance_type, use)
            used = sum(other.instances for other in jobs.values() if other.running and other.uses == (instance_type, use))
            if used + wanted > limit:
                raise ApiError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{instance_type} for {use}' is {limit} Instances, with current "
                    f"utilization of {used} Instances and a request delta of {wanted} Instances. Please use AWS "
                    "Service Quotas to request an increase for this quota.",
                )
            job.instances, job.uses = wanted, (instance_type, use)
            jobs[job.name] = job

    def job(self, jobs: dict[str, Job], name: str) -> Job:
        try:
            return jobs[name]
        except KeyError:
            raise invalid("Requested resource not found.") from None

    def all_jobs(self) -> tuple[dict[str, Job], ...]:
        return self.tuning_jobs, self.training_jobs, self.transform_jobs, self.processing_jobs

    def job_environment(self) -> dict[str, str]:
        """What a container of the account has: the machine's basics, the account's address and keys."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TZ", "SEGUE_PROCESSES") if name in os.environ}
        return {
            **kept,
            "PYTHONUNBUFFERED": "1",
            "AWS_REGION": self.settings.region,
            "AWS_DEFAULT_REGION": self.settings.region,
            "SAGEMAKER_REGION": self.settings.region,
        }

    def credentials(self) -> dict[str, str]:
        """Absent from an isolated container."""
        return {
            "AWS_ENDPOINT_URL": self.settings.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def end_all(self) -> None:
        """Ends every job's processes, before the account itself ends."""
        running = [job for jobs in self.all_jobs() for job in jobs.values() if job.running]
        for job in running:
            job.abandon()
        deadline = time.monotonic() + 3
        for job in running:
            job.finished.wait(max(0.0, deadline - time.monotonic()))
