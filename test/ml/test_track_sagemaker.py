"""Recording on SageMaker's MLflow, whose server is played here: what is asked of it, how it is signed, and what the training's
role allows of that."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ML, ROOT, Job, planted
from test_track import mlflow  # noqa: F401

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/ours"
STORE = "s3://our-runs/mlflow"
JOB = "20261122t035200-1a2b3c4d-tune-002-1a2b3c4d"
# https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
ACTIONS = {
    "experiments/get-by-name": "GetExperimentByName",
    "experiments/get": "GetExperiment",
    "experiments/create": "CreateExperiment",
    "runs/search": "SearchRuns",
    "runs/get": "GetRun",
    "runs/create": "CreateRun",
    "runs/update": "UpdateRun",
    "runs/log-batch": "LogBatch",
    "runs/set-tag": "SetTag",
}


@dataclass
class Server:
    """What was asked of MLflow (call, headers, body), and the objects that were put into S3."""

    url: str = ""
    asked: list[tuple[str, dict, dict]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    deny: bool = False

    def answer(self, call: str, body: dict) -> tuple[int, dict]:
        info = {"run_id": "r1", "run_uuid": "r1", "experiment_id": "7", "status": "RUNNING", "start_time": 1,
                "artifact_uri": f"{STORE}/7/r1/artifacts", "lifecycle_stage": "active", "user_id": "u"}  # fmt: skip
        if self.deny:
            return 403, {"error_code": "PERMISSION_DENIED", "message": "not authorized to perform sagemaker-mlflow:CreateRun"}
        if call == "experiments/get-by-name":
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}
        if call == "experiments/create":
            return 200, {"experiment_id": "7"}
        if call == "runs/search":
            return 200, {}
        if call in ("runs/create", "runs/get"):
            return 200, {"run": {"info": {**info, "run_name": body.get("run_name", "")}, "data": {}, "inputs": {}}}
        if call == "runs/update":
            return 200, {"run_info": {**info, "status": body.get("status", "RUNNING")}}
        return 200, {}


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            if path.startswith("/api/"):
                call = path.removeprefix("/api/2.0/mlflow/")
                given = json.loads(body or b"{}")
                found.asked.append((call, dict(self.headers), given))
                status, reply = found.answer(call, given)
            else:
                found.objects[path.lstrip("/")] = body
                status, reply = 200, None
            text = b"" if reply is None else json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = handle_any

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{http.server_address[1]}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield found
    http.shutdown()
    http.server_close()


def train(job: Job, environment: dict[str, str], url: str) -> subprocess.CompletedProcess[str]:
    """The job as SageMaker starts it, with the options that the state machine gives it."""
    for name, table in planted(listeners=150, artists=60).items():
        job.write(name, table)
    given = {
        **environment,
        **{name: value for name, value in job.environment.items() if name.startswith("SM_")},
        "TRAINING_JOB_NAME": JOB,
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": url,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        **{name: url for name in ("AWS_ENDPOINT_URL_S3", "MLFLOW_S3_ENDPOINT_URL")},
        **{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"},
        **{"AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"},
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # else the body comes in chunks, which the server here cannot read
    }
    options = ["--rank", "8", "--a0", "0.1", "--feedback", "given", "--threads", "1", "--item-weight", "0"]
    command = [sys.executable, str(ML / "train.py"), *options, "--tracking-uri", ARN, "--tracking-experiment", "ours"]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=300)


def test_the_job_records_itself_signed_and_within_what_its_role_allows(
    job: Job, server: Server, mlflow: dict[str, str]  # noqa: F811
) -> None:
    done = train(job, mlflow, server.url)
    assert done.returncode == 0, done.stderr
    assert f"tracking: {JOB} recorded in ours as r1" in done.stdout, done.stdout
    assert "secret" not in done.stdout + done.stderr
    allowed = set(re.findall(r'"(\w+)"', (ROOT / "lib/constructs/job-roles.ts").read_text().partition("trackingCalls = [")[2].partition("];")[0]))
    asked = {call for call, _, _ in server.asked}
    assert {ACTIONS[call] for call in asked} <= allowed
    assert {"experiments/create", "runs/create", "runs/update"} <= asked
    for _, headers, _ in server.asked:
        lower = {name.lower(): value for name, value in headers.items()}
        assert lower["x-mlflow-sm-tracking-server-arn"] == ARN
        assert re.match(r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/sagemaker-mlflow/aws4_request, ", lower["authorization"])
    [created] = [body for call, _, body in server.asked if call == "runs/create"]
    assert created["run_name"] == JOB
    evaluation = json.loads((job.output / "evaluation.json").read_text())
    [batch] = [body for call, _, body in server.asked if call == "runs/log-batch"]
    metrics = {one["key"]: one["value"] for one in batch["metrics"]}
    assert {"key": "rank", "value": "8"} in batch["params"]
    assert metrics["recall_at_20"] == pytest.approx(evaluation["metrics"]["model"]["recall@20"])
    [ended] = [body for call, _, body in server.asked if call == "runs/update"]
    assert ended["status"] == "FINISHED"
    files = {name.removeprefix("our-runs/mlflow/7/r1/artifacts/") for name in server.objects}
    assert {"evaluation.json", "model-card.md", "report.html", "plots/01.svg", "environment.json"} <= files


def test_a_server_that_refuses_costs_no_model(job: Job, server: Server, mlflow: dict[str, str]) -> None:  # noqa: F811
    server.deny = True
    done = train(job, mlflow, server.url)
    assert done.returncode == 0, done.stderr
    assert re.search(r"tracking: not recorded: .*not authorized", done.stdout), done.stdout
    assert (job.model / "model.json").is_file() and not job.failure.exists()
