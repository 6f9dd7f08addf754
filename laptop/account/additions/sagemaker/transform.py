"""Batch Transform jobs: the model's own server, and every input object through it."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from . import registry
from .errors import JobFailure, invalid, not_emulated
from .jobs import Job
from .payloads import assembled, payloads
from .processes import JobLog, JobProcess
from .s3 import Location, relative_name
from .service import SageMaker
from .toolkit import Host

LOG_GROUP = "/aws/sagemaker/TransformJobs"
USE = "transform job usage"
#: A container has this long to answer /ping.
START_LIMIT = 300
DEFAULT_PAYLOAD_MB = 6
# The account talks to its own children: no proxy of the machine's may come between.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def create(service: SageMaker, request: dict) -> dict:
    """Starts the job and answers with its ARN at once. The request's shape has been checked."""
    name = request["TransformJobName"]
    model = registry.describe_model(service, {"ModelName": request["ModelName"]})
    _refuse_what_is_not_emulated(request)
    arn = service.arn(f"transform-job/{name}")
    description = {"TransformJobArn": arn, **{key: value for key, value in request.items() if key != "Tags"}}
    file = service.settings.log_dir / "jobs" / f"{name}.log"
    job = Job("Transform", name, description, lambda: JobLog(file, service.logs, LOG_GROUP, f"{name}/{int(time.time())}"))
    resources = request["TransformResources"]
    service.reserve(service.transform_jobs, job, resources["InstanceType"], resources["InstanceCount"], USE)
    service.set_tags(arn, request.get("Tags"))
    job.begin(
        lambda job: _Run(service, job, request, model).work(),
        lambda job, _status, _secondary: job.update(TransformEndTime=time.time()),
    )
    return {"TransformJobArn": arn}


def _refuse_what_is_not_emulated(request: dict) -> None:
    given, output = request["TransformInput"], request["TransformOutput"]
    if given["DataSource"]["S3DataSource"]["S3DataType"] != "S3Prefix":
        raise not_emulated("TransformInput.DataSource: a data source other than S3Prefix")
    if given.get("CompressionType", "None") != "None":
        raise not_emulated("TransformInput.CompressionType")
    if given.get("SplitType", "None") not in ("None", "Line"):
        raise not_emulated(f"TransformInput.SplitType {given['SplitType']}")
    if request.get("DataProcessing"):
        raise not_emulated("DataProcessing")
    payload, concurrent = request.get("MaxPayloadInMB"), request.get("MaxConcurrentTransforms")
    if payload and concurrent and payload * concurrent > 100:
        raise invalid("MaxConcurrentTransforms * MaxPayloadInMB must not exceed 100 MB")
    if request.get("BatchStrategy") == "MultiRecord" and given.get("SplitType", "None") == "None":
        raise invalid("BatchStrategy MultiRecord needs a SplitType")
    if output.get("AssembleWith", "None") not in ("None", "Line"):
        raise invalid(f"AssembleWith {output['AssembleWith']} is unknown")


class _Run:
    """One job's work, in the job's thread."""

    def __init__(self, service: SageMaker, job: Job, request: dict, model: dict) -> None:
        self.service, self.job, self.request, self.model = service, job, request, model
        self.folder = service.settings.jobs_dir / job.name
        self.host = Host("algo-1", self.folder / "opt" / "ml")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"

    def work(self) -> None:
        source = Location.of(self.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        keys = self.service.storage.keys(source)
        if not keys:
            raise JobFailure(f"ClientError: No S3 objects found under S3 URL \"{source}\" given in input data source.")
        self.host.root.mkdir(parents=True, exist_ok=True)
        data = Location.of(self.model["PrimaryContainer"]["ModelDataUrl"])
        self.service.storage.download_archive(data, self.host.model, self.folder)
        self.job.check()
        self.job.update(TransformStartTime=time.time())
        self._start_server()
        options = self._options()
        with ThreadPoolExecutor(max_workers=options["concurrent"]) as pool:
            for key in keys:
                self._transform(pool, options, Location(source.bucket, key), relative_name(source.key, key))
                if self.job.log:
                    self.job.log.flush()

    def _start_server(self) -> None:
        """As the image's entry point does with the argument `serve`: bash, which reads BASH_ENV first, evaluates it."""
        job, log = self.job, self.job.log
        assert log is not None
        given = {**self.model["PrimaryContainer"].get("Environment", {}), **self.request.get("Environment", {})}
        isolated = self.model.get("EnableNetworkIsolation", False)
        environment = {
            **self.service.job_environment(),
            **({} if isolated else self.service.credentials()),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_BIND_TO_PORT": self.url.rpartition(":")[2],
            # A container's interfaces are its own; on this machine only the loopback is.
            "SEGUE_BIND_ADDRESS": "127.0.0.1",
            "SM_MODEL_DIR": str(self.host.model),
            "SM_NUM_CPUS": str(os.cpu_count() or 1),
            "SM_NUM_GPUS": "0",
            **{name: self.host.local(value) for name, value in given.items()},
        }
        process = JobProcess(["bash", "-c", 'eval "serve"'], self.host.root, environment, log.line)
        job.processes.append(process)
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            job.check()
            if process.poll() is not None:
                process.wait(5)
                raise JobFailure(
                    f"AlgorithmError: the server ended with code {process.poll()} before it answered /ping: "
                    f"{' '.join(log.tail[-3:])}"
                )
            try:
                with _direct.open(f"{self.url}/ping", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise JobFailure(f"AlgorithmError: the server did not answer /ping with 200 within {START_LIMIT} s")

    def _options(self) -> dict:
        """The job's settings; what it leaves open the container's `/execution-parameters` may say."""
        offered: dict = {}
        try:
            with _direct.open(f"{self.url}/execution-parameters", timeout=10) as answer:
                offered = json.loads(answer.read() or b"{}")
        except (OSError, ValueError):
            pass  # optional
        given, output = self.request["TransformInput"], self.request["TransformOutput"]
        chosen = {
            key: self.request.get(key) or offered.get(key)
            for key in ("MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy")
        }
        client = self.request.get("ModelClientConfig", {})
        return {
            "concurrent": max(int(chosen["MaxConcurrentTransforms"] or 1), 1),
            "limit_mb": int(chosen["MaxPayloadInMB"] or DEFAULT_PAYLOAD_MB),
            "strategy": chosen["BatchStrategy"] or "MultiRecord",
            "split": given.get("SplitType", "None"),
            "assemble": output.get("AssembleWith", "None"),
            "timeout": client.get("InvocationsTimeoutInSeconds", 600),
            "retries": client.get("InvocationsMaxRetries", 0),
            "headers": {
                "Content-Type": given.get("ContentType", "application/octet-stream"),
                **({"Accept": output["Accept"]} if "Accept" in output else {}),
            },
        }

    def _transform(self, pool: ThreadPoolExecutor, options: dict, at: Location, name: str) -> None:
        """One object: its answers, in order, become `<name>.out`. Nothing is written unless all of them come."""
        source, result = self.folder / "input", self.folder / "output"
        self.service.storage.download(at, source)
        bodies = payloads(source, split=options["split"], strategy=options["strategy"], limit_mb=options["limit_mb"])
        waiting: list[Future[bytes]] = []
        with result.open("wb") as out:
            for body in bodies:
                waiting.append(pool.submit(self._invoke, body, options, name))
                if len(waiting) > options["concurrent"]:
                    self._write(waiting.pop(0), out, options)
            for answer in waiting:
                self._write(answer, out, options)
        self.service.storage.upload(result, Location.of(self.request["TransformOutput"]["S3OutputPath"]) / f"{name}.out")
        source.unlink()
        result.unlink()

    def _write(self, answer: Future[bytes], out: IO[bytes], options: dict) -> None:
        self.job.check()
        out.write(assembled(answer.result(), options["assemble"]))

    def _invoke(self, body: bytes, options: dict, name: str) -> bytes:
        request = urllib.request.Request(f"{self.url}/invocations", data=body, headers=options["headers"], method="POST")
        problem = ""
        for _ in range(options["retries"] + 1):
            self.job.check()
            try:
                with _direct.open(request, timeout=options["timeout"]) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                text = error.read(300).decode(errors="replace")
                problem = f"status {error.code}: {text}"
                if error.code < 500:
                    break
            except OSError as error:
                problem = str(error)
        if self.job.log:
            self.job.log.line(f"{name}: {problem}")
        raise JobFailure(f"AlgorithmError: the model refused {name}: {' '.join(problem.split())}")
