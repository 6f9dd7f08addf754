"""SageMaker's JSON API (`X-Amz-Target: SageMaker.<Operation>`), for SDK calls and `aws-sdk:sagemaker` states."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from ..internals import need
from . import processing, registry, training, transform, tuning
from .errors import ApiError, invalid, not_found
from .service import SageMaker
from .validation import validate

Operation = Callable[[SageMaker, dict], dict]


def _describe_job(jobs: str, key: str) -> Operation:
    return lambda service, request: service.job(getattr(service, jobs), request[key]).describe()


def _stop_job(jobs: str, key: str) -> Operation:
    def stop(service: SageMaker, request: dict) -> dict:
        job = service.job(getattr(service, jobs), request[key])
        if not job.running:
            raise invalid(f"The request was rejected because the {job.kind.lower()} job is in status {job.status}.")
        job.stop()
        return {}

    return stop


def _list_jobs(jobs: str, kind: str) -> Operation:
    keys = tuple(f"{kind}Job{part}" for part in ("Name", "Arn", "Status")) + (
        "CreationTime",
        "LastModifiedTime",
        f"{kind}EndTime",
    )

    def listing(service: SageMaker, request: dict) -> dict:
        described = [job.describe() for job in getattr(service, jobs).values()]
        found = [
            each
            for each in described
            if request.get("NameContains", "") in each[f"{kind}JobName"]
            and request.get("StatusEquals", each[f"{kind}JobStatus"]) == each[f"{kind}JobStatus"]
        ]
        return registry.page(
            request,
            f"{kind}JobSummaries",
            found,
            lambda each: {key: each[key] for key in keys if key in each},
            "Descending",
        )

    return listing


def _add_tags(service: SageMaker, request: dict) -> dict:
    arn = _known(service, request["ResourceArn"])
    service.set_tags(arn, request["Tags"])
    return {"Tags": _tags(service, arn)}


def _list_tags(service: SageMaker, request: dict) -> dict:
    return {"Tags": _tags(service, _known(service, request["ResourceArn"]))}


def _delete_tags(service: SageMaker, request: dict) -> dict:
    tags = service.tags.get(_known(service, request["ResourceArn"]), {})
    for key in request["TagKeys"]:
        tags.pop(key, None)
    return {}


def _tags(service: SageMaker, arn: str) -> list[dict]:
    return [{"Key": key, "Value": value} for key, value in service.tags.get(arn, {}).items()]


def _known(service: SageMaker, arn: str) -> str:
    if arn not in service.tags and arn not in service.packages:
        raise not_found(f"Resource {arn} does not exist")
    return arn


OPERATIONS: dict[str, Operation] = {
    "CreateTrainingJob": training.create,
    "DescribeTrainingJob": _describe_job("training_jobs", "TrainingJobName"),
    "ListTrainingJobs": _list_jobs("training_jobs", "Training"),
    "StopTrainingJob": _stop_job("training_jobs", "TrainingJobName"),
    "CreateHyperParameterTuningJob": tuning.create,
    "DescribeHyperParameterTuningJob": _describe_job("tuning_jobs", "HyperParameterTuningJobName"),
    "StopHyperParameterTuningJob": _stop_job("tuning_jobs", "HyperParameterTuningJobName"),
    "CreateTransformJob": transform.create,
    "DescribeTransformJob": _describe_job("transform_jobs", "TransformJobName"),
    "ListTransformJobs": _list_jobs("transform_jobs", "Transform"),
    "StopTransformJob": _stop_job("transform_jobs", "TransformJobName"),
    "CreateProcessingJob": processing.create,
    "DescribeProcessingJob": _describe_job("processing_jobs", "ProcessingJobName"),
    "ListProcessingJobs": _list_jobs("processing_jobs", "Processing"),
    "StopProcessingJob": _stop_job("processing_jobs", "ProcessingJobName"),
    "CreateModel": registry.create_model,
    "DescribeModel": registry.describe_model,
    "ListModels": registry.list_models,
    "DeleteModel": registry.delete_model,
    "CreateModelPackageGroup": registry.create_package_group,
    "DescribeModelPackageGroup": registry.describe_package_group,
    "ListModelPackageGroups": registry.list_package_groups,
    "DeleteModelPackageGroup": registry.delete_package_group,
    "CreateModelPackage": registry.create_package,
    "DescribeModelPackage": registry.describe_package,
    "UpdateModelPackage": registry.update_package,
    "DeleteModelPackage": registry.delete_package,
    "ListModelPackages": registry.list_packages,
    "AddTags": _add_tags,
    "ListTags": _list_tags,
    "DeleteTags": _delete_tags,
}


def call(service: SageMaker, operation: str, request: dict) -> dict:
    """Checks and performs one operation. Blocks. Raises ApiError."""
    handler = OPERATIONS.get(operation)
    if handler is None:
        raise ApiError("UnknownOperationException", f"SageMaker {operation} is not emulated on this account")
    validate(operation, request)
    return handler(service, request)


def install(service: SageMaker) -> None:
    async def handle(method: str, path: str, headers: dict, body: bytes, query: dict) -> tuple:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        status, answer, extra = 200, {}, {}
        try:
            answer = await asyncio.to_thread(call, service, operation, json.loads(body or b"{}"))
        except json.JSONDecodeError:
            status, answer = 400, {"__type": "SerializationException", "message": "the body is not JSON"}
        except ApiError as error:
            status = error.status
            answer = {"__type": error.code, "message": error.message, "Message": error.message}
            extra = {"x-amzn-errortype": error.code}
        content = {"Content-Type": "application/x-amz-json-1.1", **extra}
        return status, content, json.dumps(answer).encode()

    need("ministack.core.router", "SERVICE_PATTERNS")["sagemaker"] = {
        "host_patterns": [r"api\.sagemaker\."],
        "target_prefixes": ["SageMaker."],
        "credential_scope": "sagemaker",
    }
    need("ministack.app", "SERVICE_HANDLERS")["sagemaker"] = handle
