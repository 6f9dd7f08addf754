"""SageMaker in Step Functions: the optimized integrations, with `.sync`, and `aws-sdk:sagemaker`.

Source: Step Functions developer guide, "Create and manage Amazon SageMaker AI jobs with Step Functions".
"""

from __future__ import annotations

import json

from ..internals import need
from . import api
from .errors import ApiError
from .service import SageMaker

MODULE = "ministack.services.stepfunctions"
MANAGED = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
#: Operations of the optimized integration; those with a key can be waited for.
INTEGRATIONS = {
    "createTrainingJob": ("CreateTrainingJob", "training_jobs", "TrainingJobName"),
    "createHyperParameterTuningJob": ("CreateHyperParameterTuningJob", "tuning_jobs", "HyperParameterTuningJobName"),
    "createTransformJob": ("CreateTransformJob", "transform_jobs", "TransformJobName"),
    "createProcessingJob": ("CreateProcessingJob", "processing_jobs", "ProcessingJobName"),
    "createModel": ("CreateModel", None, None),
}
TIMES = frozenset({"CreationTime", "LastModifiedTime", "StartTime", "EndTime", "Timestamp"})


def install(service: SageMaker) -> None:
    execution_error = need(MODULE, "_ExecutionError")
    for action in INTEGRATIONS:
        need(MODULE, "_SERVICE_DISPATCH")[f"arn:aws:states:::sagemaker:{action}"] = _task(service, action, execution_error)
    need(MODULE, "_AWS_SDK_SERVICE_MAP")["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}
    need(MODULE, "_AWS_SDK_ERROR_PREFIX")["sagemaker"] = "SageMaker"
    # Step Functions names an SDK error by its class in the Java SDK.
    need(MODULE, "_AWS_SDK_ERROR_CODE_OVERRIDES")["sagemaker"] = {
        "ValidationException": "SageMakerException",
        "ResourceNotFound": "ResourceNotFoundException",
        "ResourceInUse": "ResourceInUseException",
        "ResourceLimitExceeded": "ResourceLimitExceededException",
    }


def _task(service: SageMaker, action: str, execution_error: type[Exception]):
    operation, jobs, key = INTEGRATIONS[action]

    def run(resource: str, arguments: dict) -> dict:
        waits = resource.endswith(".sync")
        if waits and jobs is None:
            raise execution_error("States.Runtime", f"{resource} does not exist")
        request = {**arguments, "Tags": [*arguments.get("Tags", []), MANAGED]} if waits else arguments
        try:
            answer = api.call(service, operation, request)
        except ApiError as error:
            raise execution_error(_error_name(error), _cause(error)) from None
        if not waits:
            return answer
        job = service.job(getattr(service, jobs), arguments[key])
        job.finished.wait()
        description = in_milliseconds(job.describe())
        if job.status != "Completed":
            raise execution_error("States.TaskFailed", json.dumps(description))
        return description

    return run


def _error_name(error: ApiError) -> str:
    limited = error.code == "ResourceLimitExceeded"
    return "SageMaker.ResourceLimitExceededException" if limited else "SageMaker.AmazonSageMakerException"


def _cause(error: ApiError) -> str:
    return f"{error.message} (Service: AmazonSageMaker; Status Code: {error.status}; Error Code: {error.code})"


def in_milliseconds(value: object, name: str = "") -> object:
    """Times as Step Functions gives them: milliseconds since 1970 instead of seconds."""
    if isinstance(value, dict):
        return {key: in_milliseconds(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [in_milliseconds(member) for member in value]
    if isinstance(value, float) and (name in TIMES or name.endswith(("StartTime", "EndTime"))):
        return int(value * 1000)
    return value
