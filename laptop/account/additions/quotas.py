"""Service Quotas: what SageMaker instances the account may use, as a new account on this machine would find.

CPU instances are there; GPU instances only where `nvidia-smi` finds a GPU. Quota names are AWS's: "ml.m5.xlarge for
training job usage".
"""

from __future__ import annotations

import hashlib
import json
import subprocess

from .internals import need
from .settings import ACCOUNT_ID

CPU_TYPES = (
    "ml.m5.large",
    "ml.m5.xlarge",
    "ml.m5.2xlarge",
    "ml.m5.4xlarge",
    "ml.m6i.xlarge",
    "ml.m7i.xlarge",
    "ml.c5.xlarge",
    "ml.c5.2xlarge",
    "ml.c6i.xlarge",
    "ml.c7i.xlarge",
)
GPU_TYPES = ("ml.g4dn.xlarge", "ml.g5.xlarge", "ml.g5.2xlarge", "ml.g6.xlarge", "ml.g6.2xlarge", "ml.g6e.xlarge")
USES = (
    "training job usage",
    "spot training job usage",
    "transform job usage",
    "processing job usage",
)
CPU_QUOTA = 2
TARGET = "ServiceQuotasV20190624"
PAGE = 100


def gpus() -> int:
    """How many GPUs `nvidia-smi` lists; 0 when there is none or no such command."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


class Quotas:
    """The quotas by name. `gpu_count` is also what jobs on GPU instances are told they have."""

    def __init__(self, gpu_count: int) -> None:
        self.gpu_count = gpu_count
        gpu_quota = 1 if gpu_count else 0
        self._requested: dict[str, float] = {}
        self._values = {
            f"{kind} for {use}": quota
            for kinds, quota in ((CPU_TYPES, CPU_QUOTA), (GPU_TYPES, gpu_quota))
            for kind in kinds
            for use in USES
        }

    def of(self, instance_type: str, use: str) -> int:
        """The quota of an instance type, e.g. of ("ml.m5.xlarge", "training job usage"); 0 for types not listed."""
        return self._values.get(f"{instance_type} for {use}", 0)

    def request(self, quota: dict, request: dict) -> tuple[int, dict]:
        """Takes a request for more, once at a time, as AWS does. It stays pending: this machine has what it has."""
        code, desired = quota["QuotaCode"], request.get("DesiredValue", 0)
        if desired <= quota["Value"]:
            return _error("IllegalArgumentException", "You must provide a quota value greater than the current one")
        if code in self._requested:
            return _error("ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota")
        self._requested[code] = desired
        names = ("ServiceCode", "ServiceName", "QuotaArn", "QuotaCode", "QuotaName", "GlobalQuota", "Unit")
        asked = {"Id": code, "Status": "PENDING", "DesiredValue": desired, **{name: quota[name] for name in names}}
        return 200, {"RequestedQuota": asked}

    def listing(self) -> list[dict]:
        return [
            {
                "ServiceCode": "sagemaker",
                "ServiceName": "Amazon SageMaker",
                "QuotaArn": f"arn:aws:servicequotas:us-east-1:{ACCOUNT_ID}:sagemaker/{code}",
                "QuotaCode": code,
                "QuotaName": name,
                "Value": float(value),
                "Unit": "None",
                "Adjustable": True,
                "GlobalQuota": False,
            }
            for name, value in sorted(self._values.items())
            for code in [f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"]
        ]


def install() -> Quotas:
    quotas = Quotas(gpus())

    async def handle(method: str, path: str, headers: dict, body: bytes, query: dict) -> tuple:
        status, answer = respond(quotas, headers.get("x-amz-target", ""), json.loads(body or b"{}"))
        return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()

    need("ministack.core.router", "SERVICE_PATTERNS")["servicequotas"] = {
        "host_patterns": [r"servicequotas\."],
        "target_prefixes": [TARGET],
        "credential_scope": "servicequotas",
    }
    need("ministack.app", "SERVICE_HANDLERS")["servicequotas"] = handle
    return quotas


def respond(quotas: Quotas, target: str, request: dict) -> tuple[int, dict]:
    """Answers ListServiceQuotas, in pages of at most 100, GetServiceQuota, and RequestServiceQuotaIncrease, which is never granted."""
    action = target.rpartition(".")[2]
    if request.get("ServiceCode") != "sagemaker":
        return _error("NoSuchResourceException", f"Service {request.get('ServiceCode')!r} has no quotas here")
    listing = quotas.listing()
    if action in ("GetServiceQuota", "RequestServiceQuotaIncrease"):
        found = [quota for quota in listing if quota["QuotaCode"] == request.get("QuotaCode")]
        if not found:
            return _error("NoSuchResourceException", "Quota not found")
        return (200, {"Quota": found[0]}) if action == "GetServiceQuota" else quotas.request(found[0], request)
    if action != "ListServiceQuotas":
        return _error("UnknownOperationException", f"Service Quotas {action} is not emulated")
    try:
        start = int(request.get("NextToken") or 0)
    except ValueError:
        return _error("InvalidPaginationTokenException", "NextToken is not one of ours")
    end = start + min(int(request.get("MaxResults") or PAGE), PAGE)
    more = {"NextToken": str(end)} if end < len(listing) else {}
    return 200, {"Quotas": listing[start:end], **more}


def _error(code: str, message: str) -> tuple[int, dict]:
    return 400, {"__type": code, "Message": message, "message": message}
