"""Processing jobs: files in, the container's command, files out."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from .errors import JobFailure, not_emulated
from .jobs import Job
from .processes import JobLog, JobProcess
from .s3 import Location, relative_name
from .service import SageMaker
from .toolkit import Host

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
USE = "processing job usage"


def create(service: SageMaker, request: dict) -> dict:
    """Starts the job and answers with its ARN at once. The request's shape has been checked."""
    name = request["ProcessingJobName"]
    _refuse_what_is_not_emulated(request)
    arn = service.arn(f"processing-job/{name}")
    description = {"ProcessingJobArn": arn, **{key: value for key, value in request.items() if key != "Tags"}}
    file = service.settings.log_dir / "jobs" / f"{name}.log"
    job = Job(
        "Processing", name, description, lambda: JobLog(file, service.logs, LOG_GROUP, f"{name}/algo-1-{int(time.time())}")
    )
    cluster = request["ProcessingResources"]["ClusterConfig"]
    service.reserve(service.processing_jobs, job, cluster["InstanceType"], cluster["InstanceCount"], USE)
    service.set_tags(arn, request.get("Tags"))
    job.begin(
        lambda job: _Run(service, job, request).work(),
        lambda job, _status, _secondary: job.update(ProcessingEndTime=time.time()),
    )
    return {"ProcessingJobArn": arn}


def _refuse_what_is_not_emulated(request: dict) -> None:
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        raise not_emulated("AppSpecification without ContainerEntrypoint")
    for each in request.get("ProcessingInputs", []):
        source = each.get("S3Input", {})
        if source.get("S3DataType") != "S3Prefix" or source.get("S3InputMode", "File") != "File":
            raise not_emulated(f"input {each['InputName']}: anything but an S3Prefix in File mode")
    for each in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if each.get("S3Output", {}).get("S3UploadMode") != "EndOfJob":
            raise not_emulated(f"output {each['OutputName']}: anything but S3Output at EndOfJob")


class _Run:
    """One job's work, in the job's thread."""

    def __init__(self, service: SageMaker, job: Job, request: dict) -> None:
        self.service, self.job, self.request = service, job, request
        folder = service.settings.jobs_dir / job.name
        self.cluster = request["ProcessingResources"]["ClusterConfig"]
        self.hosts = [
            Host(f"algo-{number}", folder / f"algo-{number}" / "opt" / "ml")
            for number in range(1, self.cluster["InstanceCount"] + 1)
        ]

    def work(self) -> None:
        for number, host in enumerate(self.hosts):
            for each in self.request.get("ProcessingInputs", []):
                self._download(each["S3Input"], number, host)
            for each in self._outputs():
                Path(host.local(each["LocalPath"])).mkdir(parents=True, exist_ok=True)
            host.output.mkdir(parents=True, exist_ok=True)
        self.job.update(ProcessingStartTime=time.time())
        self.job.limit(self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400))
        self._process()
        for host in self.hosts:
            for each in self._outputs():
                self._upload(each, host)

    def _outputs(self) -> list[dict]:
        outputs = self.request.get("ProcessingOutputConfig", {}).get("Outputs", [])
        return [each["S3Output"] for each in outputs]

    def _download(self, source: dict, number: int, host: Host) -> None:
        at = Location.of(source["S3Uri"])
        keys = self.service.storage.keys(at)
        if not keys:
            raise JobFailure(f'ClientError: No S3 objects found under S3 URL "{at}" given in input data source.')
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            keys = keys[number :: len(self.hosts)]
        for key in keys:
            self.job.check()
            file = Path(host.local(source["LocalPath"])) / relative_name(at.key, key)
            self.service.storage.download(Location(at.bucket, key), file)

    def _process(self) -> None:
        app, log = self.request["AppSpecification"], self.job.log
        assert log is not None
        for host in self.hosts:
            command = [host.local(part) for part in [*app["ContainerEntrypoint"], *app.get("ContainerArguments", [])]]
            self.job.processes.append(JobProcess(command, host.root, self._environment(host), log.line))
        waiting = list(zip(self.hosts, self.job.processes, strict=True))
        while waiting:
            self.job.check()
            for host, process in list(waiting):
                if process.poll() is not None:
                    waiting.remove((host, process))
                    self._require_success(host, process)
            log.flush()
            time.sleep(0.05)

    def _environment(self, host: Host) -> dict[str, str]:
        gpus = self.service.quotas.gpu_count if re.match(r"ml\.(g|p)\d", self.cluster["InstanceType"]) else 0
        isolated = self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
        return {
            **self.service.job_environment(),
            **({} if isolated else self.service.credentials()),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "PROCESSING_JOB_ARN": self.service.arn(f"processing-job/{self.job.name}"),
            **({} if gpus else {"CUDA_VISIBLE_DEVICES": ""}),
            **self.request.get("Environment", {}),
        }

    def _require_success(self, host: Host, process: JobProcess) -> None:
        code = process.wait(5) or 0
        message = host.output / "message"
        if message.is_file():
            self.job.update(ExitMessage=message.read_text(errors="replace").strip()[:1024])
        if code != 0:
            raise JobFailure(f"AlgorithmError: , exit code: {code}")

    def _upload(self, output: dict, host: Host) -> None:
        folder = Path(host.local(output["LocalPath"]))
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.service.storage.upload(file, Location.of(output["S3Uri"]) / str(file.relative_to(folder)))
