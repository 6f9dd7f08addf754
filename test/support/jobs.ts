import type { CreateTrainingJobCommandInput } from "@aws-sdk/client-sagemaker";
import { bucket, role } from "./account";

export const image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13-cpu-amzn2023-sagemaker";

/** A training script that counts words, and fails or sleeps when asked; its model brings its own server. */
export const trainScript = `
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--factors", type=int)
parser.add_argument("--note")
parser.add_argument("--rate", type=float)
parser.add_argument("--_tuning_objective_metric")
given = parser.parse_args()
if given.note == "fail":
    pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("no interactions in " + os.environ["SM_CHANNEL_INTERACTIONS"])
    sys.exit(3)
if given.note == "sleep":
    pathlib.Path(os.environ["SM_MODEL_DIR"], "partial").write_text("so far")
    print("sleeping", flush=True)
    time.sleep(600)
rows = sum(len(f.read_text().split()) for f in sorted(pathlib.Path(os.environ["SM_CHANNEL_INTERACTIONS"]).iterdir()))
checkpoints = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints"
epoch = int((checkpoints / "epoch").read_text()) if (checkpoints / "epoch").exists() else 0
(checkpoints / "epoch").write_text(str(epoch + 1))
print(f"eval rows={rows};")
print(f"eval epoch={epoch};")
if given.note == "tune":
    if given.factors < 8:
        sys.exit("too few factors")
    print(f"eval quality={given.rate};")
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "model.json").write_text(json.dumps({"rows": rows, "factors": given.factors, "asked": os.environ["ASKED"]}))
(model / "code").mkdir()
(model / "code" / "serve.sh").write_text('serve() { exec python "$SM_MODEL_DIR/code/server.py"; }\\n')
(model / "code" / "server.py").write_text(pathlib.Path(__file__).with_name("server.py").read_text())
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json").write_text(json.dumps({
    "hyperparameters": json.loads(pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"], "hyperparameters.json").read_text()),
    "endpoint": os.environ.get("AWS_ENDPOINT_URL", ""),
    "job": os.environ["TRAINING_JOB_NAME"],
    "hosts": json.loads(os.environ["SM_HOSTS"]),
}))
`;

/** Echoes each line with what it knows of the model and the request, and refuses a poisoned one. */
export const serverScript = `
import json, os, pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
rows = json.loads(pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").read_text())["rows"]
class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200, b'{"MaxConcurrentTransforms": 2}' if self.path == "/execution-parameters" else b"")
    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().split("\\n")
        if "poison" in lines:
            return self.answer(400, b"poison is not a listener")
        out = [f"{line} {rows} {os.environ['SEGUE_RELEASE']} {self.headers['Accept']}" for line in lines if line]
        self.answer(200, "\\n".join(out).encode())
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
`;

/** A training job's request as the state machine makes it. */
export function training(name: string, note: string, more: Partial<CreateTrainingJobCommandInput> = {}) {
  const channel = (channelName: string, prefix: string) => ({
    ChannelName: channelName,
    DataSource: { S3DataSource: { S3DataType: "S3Prefix" as const, S3Uri: `s3://${bucket}/${prefix}` } },
  });
  return {
    TrainingJobName: name,
    RoleArn: role,
    AlgorithmSpecification: {
      TrainingImage: image,
      TrainingInputMode: "File" as const,
      MetricDefinitions: [{ Name: "rows", Regex: "eval rows=([0-9.]+);" }],
    },
    InputDataConfig: [channel("interactions", "data/"), channel("code", "code/source.tar.gz")],
    OutputDataConfig: { S3OutputPath: `s3://${bucket}/runs` },
    ResourceConfig: { InstanceType: "ml.m5.xlarge" as const, InstanceCount: 1, VolumeSizeInGB: 1 },
    StoppingCondition: { MaxRuntimeInSeconds: 600 },
    CheckpointConfig: { S3Uri: `s3://${bucket}/checkpoints` },
    EnableNetworkIsolation: true,
    Environment: { ASKED: "yes" },
    HyperParameters: {
      sagemaker_program: "train.py",
      sagemaker_submit_directory: "/opt/ml/input/data/code/source.tar.gz",
      factors: "16",
      note,
    },
    ...more,
  };
}

/** A transform job's arguments, in JSONata. */
export const transform = {
  TransformJobName: "{% $states.input.name & '-score' %}",
  ModelName: "{% $states.input.name %}",
  BatchStrategy: "MultiRecord",
  MaxPayloadInMB: 1,
  Environment: { SEGUE_RELEASE: "r1" },
  TransformInput: {
    ContentType: "application/jsonlines",
    SplitType: "Line",
    DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: "{% $states.input.from %}" } },
  },
  TransformOutput: { S3OutputPath: `s3://${bucket}/scores`, Accept: "text/plain", AssembleWith: "Line" },
  TransformResources: { InstanceType: "ml.m5.xlarge", InstanceCount: 1 },
};
