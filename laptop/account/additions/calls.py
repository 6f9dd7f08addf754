"""Who calls what: a line of JSON for each different call that a function, a job or a state makes, for tests of policies.

MiniStack lets every call pass. A function is told apart from others by an access key of its own; a state by what it runs;
a job, whose data the platform moves in its role's name, by the thread that moves it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from urllib.parse import parse_qs

from .internals import need
from .sagemaker.s3 import Storage
from .settings import ACCOUNT_ID, Settings

#: Services whose calls are recorded; reporting (logs, traces) does not pass through functions' code.
SERVICES = (
    "cloudformation",
    "events",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "sagemaker",
    "servicequotas",
    "states",
    "sts",
)


class Record:
    """The file of calls, each once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def add(self, by: str, action: str, resource: str, **context: str) -> None:
        line = json.dumps({"by": by, "action": action, "resource": resource, **context}, sort_keys=True)
        with self._lock:
            if line not in self._seen:
                self._seen.add(line)
                with self._file.open("a") as out:
                    out.write(line + "\n")


def install(settings: Settings) -> None:
    """Records calls into `settings.calls_file`; call it after all other additions, whose handlers it wraps."""
    if settings.calls_file is None:
        return
    record = Record(settings.calls_file)
    functions = _keys_of_functions()
    handlers = need("ministack.app", "SERVICE_HANDLERS")
    for service in SERVICES:
        if service in handlers:
            handlers[service] = _recorded(service, handlers[service], record, functions, settings)
    _record_states(record)
    _record_jobs(record)


def _keys_of_functions() -> dict[str, str]:
    import ministack.core.lambda_runtime as runtime
    import ministack.services.lambda_svc as lambda_svc

    original = need("ministack.core.lambda_runtime", "execution_credentials")
    functions: dict[str, str] = {}

    def credentials(config: dict) -> dict[str, str]:
        name = config["FunctionName"]
        key = f"ASIA{hashlib.sha256(name.encode()).hexdigest()[:16].upper()}"
        functions[key] = name
        return {**original(config), "AWS_ACCESS_KEY_ID": key}

    runtime.execution_credentials = credentials
    lambda_svc.execution_credentials = credentials
    return functions


def _recorded(service: str, handler, record: Record, functions: dict[str, str], settings: Settings):
    action_of = need("ministack.core.iam_actions", "extract_iam_action")
    resource_of = need("ministack.core.iam_actions", "extract_resource_arn")
    key_of = need("ministack.core.router", "extract_access_key_id")

    async def handle(method, path, headers, body, query_params):
        function = functions.get(key_of(headers, query_params))
        if function is not None:
            request = (service, method, path, headers, body, query_params)
            target = headers.get("x-amz-target", "").rpartition(".")[2]
            action = action_of(*request) or (f"{service}:{target}" if target else f"{service}:{method} {path}")
            resource = resource_of(*request, settings.region, ACCOUNT_ID)
            context = {"prefix": query_params["prefix"][0]} if action == "s3:ListBucket" and "prefix" in query_params else {}
            named = _model_package(body, settings) if service == "sagemaker" else _stack(service, body)
            record.add(function, action, named or resource, **context)
        return await handler(method, path, headers, body, query_params)

    return handle


def _stack(service: str, body: bytes) -> str | None:
    """The stack that a function asks about, by its ARN, as CloudFormation hands it to hooks."""
    names = parse_qs((body or b"").decode()).get("StackName", []) if service == "cloudformation" else []
    return names[0] if names and names[0].startswith("arn:") else None


def _model_package(body: bytes, settings: Settings) -> str | None:
    request = json.loads(body or b"{}")
    if "ModelPackageName" in request:
        return str(request["ModelPackageName"])
    group = request.get("ModelPackageGroupName")
    return settings.arn("sagemaker", f"model-package/{group}/*") if group and "ModelApprovalStatus" in request else None


def _record_states(record: Record) -> None:
    import ministack.services.stepfunctions as stepfunctions

    invoke = need("ministack.services.stepfunctions", "_invoke_resource")

    def recorded(resource, request):
        task = str(resource).partition(":states:::")[2]
        if task.startswith("lambda:invoke"):
            record.add("machine", "lambda:InvokeFunction", str(request.get("FunctionName", "")))
        elif task:
            name = next((str(value) for key, value in request.items() if key in _NAMES), "*")
            record.add("machine", task, name)
            for role in (request.get("RoleArn"), request.get("ExecutionRoleArn")):
                if role:
                    record.add("machine", "iam:PassRole", str(role), service=f"{task.removeprefix('aws-sdk:').split(':')[0]}.amazonaws.com")
        return invoke(resource, request)

    stepfunctions._invoke_resource = recorded


#: What a SageMaker request calls the thing that it makes.
_NAMES = frozenset(
    {"TrainingJobName", "HyperParameterTuningJobName", "TransformJobName", "ProcessingJobName", "ModelName", "ModelPackageName"}
)


def _record_jobs(record: Record) -> None:
    def wrap(name: str, action: str, location: int, *, whole_bucket: bool = False) -> None:
        original = getattr(Storage, name)

        def recorded(self, *arguments):
            job = threading.current_thread().name
            at = arguments[location]
            if job.startswith("job-"):
                bucket = f"arn:aws:s3:::{at.bucket}"
                context = {"prefix": at.key} if whole_bucket else {}
                record.add(job, action, bucket if whole_bucket else f"{bucket}/{at.key}", **context)
            return original(self, *arguments)

        setattr(Storage, name, recorded)

    wrap("keys", "s3:ListBucket", 0, whole_bucket=True)
    wrap("download", "s3:GetObject", 0)
    wrap("upload", "s3:PutObject", 1)
