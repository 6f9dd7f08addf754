"""Training jobs: CreateTrainingJob to the artifacts in S3."""

from __future__ import annotations

import re
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

from . import toolkit
from .errors import JobFailure, invalid, not_emulated
from .jobs import Job, Stopped
from .processes import GRACE, JobLog, JobProcess
from .s3 import Location, relative_name
from .service import SageMaker
from .toolkit import Cluster, Host

LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def create(service: SageMaker, request: dict) -> dict:
    """Starts the job and answers with its ARN at once. The request's shape has been checked."""
    name = request["TrainingJobName"]
    resources = request["ResourceConfig"]
    _refuse_what_is_not_emulated(request)
    use = "spot training job usage" if request.get("EnableManagedSpotTraining") else "training job usage"
    arn = service.arn(f"training-job/{name}")
    description = {
        "TrainingJobArn": arn,
        **{key: value for key, value in request.items() if key != "Tags"},
        "SecondaryStatus": "Starting",
        "SecondaryStatusTransitions": [],
    }
    file = service.settings.log_dir / "jobs" / f"{name}.log"
    job = Job(
        "Training", name, description, lambda: JobLog(file, service.logs, LOG_GROUP, f"{name}/algo-1-{int(time.time())}")
    )
    service.reserve(service.training_jobs, job, resources["InstanceType"], resources["InstanceCount"], use)
    service.set_tags(arn, request.get("Tags"))
    job.begin(lambda job: _Run(service, job, request).work(), _finish)
    return {"TrainingJobArn": arn}


def _refuse_what_is_not_emulated(request: dict) -> None:
    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    if "TrainingImage" not in algorithm:
        raise not_emulated("AlgorithmName (a training job without TrainingImage)")
    for key in ("ContainerEntrypoint", "ContainerArguments"):
        if algorithm.get(key):
            raise not_emulated(f"AlgorithmSpecification.{key}")
    if "InstanceType" not in resources or "InstanceCount" not in resources:
        raise not_emulated("ResourceConfig without InstanceType and InstanceCount")
    if request["OutputDataConfig"].get("CompressionType", "GZIP") != "GZIP":
        raise not_emulated("OutputDataConfig.CompressionType NONE")
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] != "S3Prefix":
            raise not_emulated(f"channel {channel['ChannelName']}: a data source other than S3Prefix")
        mode = channel.get("InputMode", algorithm["TrainingInputMode"])
        if mode != "File" or channel.get("CompressionType", "None") != "None":
            raise not_emulated(f"channel {channel['ChannelName']}: anything but uncompressed File mode")
    if request.get("EnableManagedSpotTraining"):
        stopping = request["StoppingCondition"]
        wait, run = stopping.get("MaxWaitTimeInSeconds", 0), stopping.get("MaxRuntimeInSeconds", 86400)
        if wait < run:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )


class _Run:
    """One job's work, in the job's thread."""

    def __init__(self, service: SageMaker, job: Job, request: dict) -> None:
        self.service, self.job, self.request = service, job, request
        self.folder = service.settings.jobs_dir / job.name
        resources = request["ResourceConfig"]
        hosts = [
            Host(f"algo-{number}", (self.folder if number == 1 else self.folder / f"algo-{number}") / "opt" / "ml")
            for number in range(1, resources["InstanceCount"] + 1)
        ]
        gpus = service.quotas.gpu_count if re.match(r"ml\.(g|p)\d", resources["InstanceType"]) else 0
        self.cluster = Cluster(hosts, resources["InstanceType"], gpus, _free_port())
        self.channels = request.get("InputDataConfig", [])
        self.raw = request.get("HyperParameters", {})
        self.parameters = toolkit.parse_hyperparameters(self.raw)
        self.output_at = Location.of(request["OutputDataConfig"]["S3OutputPath"]) / f"{job.name}/output"
        self.checkpoints = _Checkpoints(self)
        self.metrics: dict[str, dict] = {}

    def work(self) -> None:
        try:
            self._enter("Downloading", "Downloading input data")
            for number, host in enumerate(self.cluster.hosts):
                self._prepare(number, host)
            self._enter("Training", "Training image download completed. Training in progress.")
            self.job.update(TrainingStartTime=time.time())
            self.job.limit(self.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400))
            self._train()
            self._upload(model=True)
        except Stopped:
            self._upload(model=True)  # what a stopped job has written is kept
            raise
        except JobFailure:
            self._upload(model=False)
            raise

    def _enter(self, status: str, message: str) -> None:
        self.job.check()
        _transition(self.job, status, message)

    def _prepare(self, number: int, host: Host) -> None:
        for folder in (host.model, host.output / "data", host.root / "checkpoints", host.data):
            folder.mkdir(parents=True, exist_ok=True)
        toolkit.write_config(host, self.cluster, self.raw, self.channels)
        for channel in self.channels:
            self._download(channel, number, host)
        toolkit.fetch_code(
            host,
            self.parameters,
            lambda uri, folder: self.service.storage.download_archive(Location.of(uri), folder, host.root),
        )
        self.checkpoints.restore(host)

    def _download(self, channel: dict, number: int, host: Host) -> None:
        source = channel["DataSource"]["S3DataSource"]
        at = Location.of(source["S3Uri"])
        keys = self.service.storage.keys(at)
        if not keys:
            raise JobFailure(
                f"ClientError: Data download failed: NoSuchKey: No S3 objects found under S3 URL \"{at}\" given in input "
                "data source. Please ensure that the bucket exists in the selected region, that objects exist under that "
                "S3 prefix, and that the role has \"s3:ListBucket\" permissions on the bucket."
            )
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            keys = keys[number :: len(self.cluster.hosts)]
        for key in keys:
            self.job.check()
            file = host.data / channel["ChannelName"] / relative_name(at.key, key)
            self.service.storage.download(Location(at.bucket, key), file)

    def _train(self) -> None:
        job, log = self.job, self.job.log
        assert log is not None
        for host in self.cluster.hosts:
            self._install_requirements(host)
            command = toolkit.entry_command(host, self.cluster, self.parameters)
            log.line(f"Invoking script with the following command: {' '.join(command)}")
            job.processes.append(JobProcess(command, host.code, self._environment(host), self._line))
        running = list(job.processes)
        synced = time.monotonic()
        try:
            while running:
                job.check()
                for process in list(running):
                    if process.poll() is not None:
                        running.remove(process)
                        self._require_success(process)
                if time.monotonic() - synced > 2:
                    log.flush()
                    self.checkpoints.save()
                    synced = time.monotonic()
                time.sleep(0.05)
        except Stopped:
            _end_together(running)
            raise
        finally:
            self.checkpoints.save()

    def _environment(self, host: Host) -> dict[str, str]:
        given = {name: host.local(value) for name, value in self.request.get("Environment", {}).items()}
        isolated = self.request.get("EnableNetworkIsolation", False)
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        return {
            **self.service.job_environment(),
            **({} if isolated else self.service.credentials()),
            "PATH": path,
            "PYTHONPATH": f"{host.code}:{self._packages(host)}",
            "TRAINING_JOB_ARN": self.service.arn(f"training-job/{self.job.name}"),
            **toolkit.environment(host, self.cluster, self.parameters, self.channels, self.job.name),
            **given,
        }

    def _packages(self, host: Host) -> Path:
        """Where the job's own packages go: a container is new each time, the laptop's Python is not."""
        return host.root / "packages"

    def _install_requirements(self, host: Host) -> None:
        if not (host.code / "requirements.txt").is_file():
            return
        if self.request.get("EnableNetworkIsolation"):
            raise JobFailure(
                "AlgorithmError: InstallRequirementsError: the code holds a requirements.txt, which a job with network "
                "isolation cannot install: leave it out of the code, exit code: 1"
            )
        command = [sys.executable, "-m", "pip", "install", "-r", "requirements.txt", "--target", str(self._packages(host))]
        process = JobProcess(command, host.code, self._environment(host), self._line)
        self.job.processes.append(process)
        while process.poll() is None:
            self.job.check()
            time.sleep(0.1)
        self._require_success(process)
        self.job.processes.remove(process)

    def _require_success(self, process: JobProcess) -> None:
        code = process.wait(5) or 0
        if code == 0:
            return
        log = self.job.log
        written = next((text for host in self.cluster.hosts if (text := _failure_text(host))), None)
        last = " ".join((log.tail if log else [])[-3:])
        reason = written or f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{last}"'
        raise JobFailure(f"AlgorithmError: {reason[:900]}, exit code: {code}")

    def _line(self, text: str) -> None:
        if self.job.log:
            self.job.log.line(text)
        for definition in self.request["AlgorithmSpecification"].get("MetricDefinitions", []):
            for found in re.finditer(definition["Regex"], text):
                value = next((group for group in found.groups() if group is not None), None)
                try:
                    self.metrics[definition["Name"]] = {"Value": float(str(value)), "Timestamp": time.time()}
                except ValueError:
                    continue

    def _upload(self, *, model: bool) -> None:
        _transition(self.job, "Uploading", "Uploading generated training model")
        first, *others = self.cluster.hosts
        for other in others:  # every instance's files go into one archive
            for folder in ("model", "output/data"):
                if (other.root / folder).is_dir():
                    shutil.copytree(other.root / folder, first.root / folder, dirs_exist_ok=True)
        self.job.update(FinalMetricDataList=[{"MetricName": name, **value} for name, value in self.metrics.items()])
        if model and first.model.is_dir():
            at = self.output_at / "model.tar.gz"
            self.service.storage.upload_archive(first.model, at, self.folder)
            self.job.update(ModelArtifacts={"S3ModelArtifacts": str(at)})
        data = first.output / "data"
        if data.is_dir() and any(data.iterdir()):
            self.service.storage.upload_archive(data, self.output_at / "output.tar.gz", self.folder)


class _Checkpoints:
    """`CheckpointConfig`: the folder is filled from S3 at the start, and what changes in it is copied there."""

    def __init__(self, run: _Run) -> None:
        config = run.request.get("CheckpointConfig")
        self._at = Location.of(config["S3Uri"]) if config else None
        self._local = (config or {}).get("LocalPath", f"{toolkit.CONTAINER_ROOT}/checkpoints")
        self._run = run
        self._seen: dict[Path, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def restore(self, host: Host) -> None:
        if self._at is None:
            return
        storage = self._run.service.storage
        for key in storage.keys(self._at):
            file = Path(host.local(self._local)) / relative_name(self._at.key, key)
            storage.download(Location(self._at.bucket, key), file)
            self._seen[file] = _version(file)

    def save(self) -> None:
        if self._at is None:
            return
        with self._lock:
            for host in self._run.cluster.hosts:
                folder = Path(host.local(self._local))
                for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                    try:
                        version = _version(file)
                        if self._seen.get(file) != version:
                            self._run.service.storage.upload(file, self._at / str(file.relative_to(folder)))
                            self._seen[file] = version
                    except FileNotFoundError:
                        continue  # the script replaced it meanwhile


def _version(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size


def _failure_text(host: Host) -> str | None:
    file = host.output / "failure"
    return file.read_text(errors="replace").strip()[:1024] if file.is_file() else None


def _end_together(processes: list[JobProcess]) -> None:
    ending = [threading.Thread(target=process.end, args=(GRACE,)) for process in processes]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join()


def _transition(job: Job, status: str, message: str) -> None:
    now = time.time()
    done = job.describe()["SecondaryStatusTransitions"]
    closed = [*done[:-1], {**done[-1], "EndTime": now}] if done else []
    job.update(
        SecondaryStatus=status,
        SecondaryStatusTransitions=[*closed, {"Status": status, "StartTime": now, "StatusMessage": message}],
    )


def _finish(job: Job, status: str, secondary: str) -> None:
    now = time.time()
    described = job.describe()
    seconds = int(now - described.get("TrainingStartTime", now)) or 1
    job.update(TrainingEndTime=now, TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds)
    _transition(job, secondary, described.get("FailureReason") or f"Training job {status.lower()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
