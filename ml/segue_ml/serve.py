"""The HTTP server of the transform container: /ping, /execution-parameters and /invocations.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .errors import SegueError, one_line
from .export import load
from .lines import LineError
from .runtime import choose_device, say, set_up
from .score import Scorer
from .value import release_tag

MAX_PAYLOAD_MB = 6
LARGEST_BODY_MB = 100  # what Batch Transform can be set to
PARAMETERS = {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": MAX_PAYLOAD_MB}
CONTENT_TYPES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl")


@dataclass(frozen=True)
class Setup:
    """What the container's environment says."""

    port: int
    model_dir: Path
    release: str
    generated_at: int
    size: int
    device: str

    @classmethod
    def read(cls, environment: dict[str, str]) -> Setup:
        """Raises SegueError naming the variable that is missing or wrong."""
        release = environment.get("SEGUE_RELEASE", "")
        if not release:
            raise SegueError("SEGUE_RELEASE is not set; it names the release that the lists belong to")
        return cls(
            _whole(environment, "SAGEMAKER_BIND_TO_PORT", "8080"),
            Path(environment.get("SM_MODEL_DIR") or "/opt/ml/model"),
            release,
            _moment(environment.get("SEGUE_GENERATED_AT", "")),
            _whole(environment, "SEGUE_LIST_SIZE", "20"),
            environment.get("SEGUE_DEVICE") or "auto",
        )


def _whole(environment: dict[str, str], name: str, default: str) -> int:
    text = environment.get(name) or default
    if not text.isdecimal():
        raise SegueError(f"{name}: {text!r} is not a whole number")
    return int(text)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise SegueError(f"SEGUE_GENERATED_AT: {text!r} is not an ISO 8601 time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp())


class Handler(BaseHTTPRequestHandler):
    """Answers in text/plain; errors are one line. A bad line refuses the whole request, so that the job fails instead
    of publishing a wrong list."""

    protocol_version = "HTTP/1.1"
    server_version = "segue"
    scorer: Scorer
    busy: threading.Lock  # PyTorch uses every core for one request

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(200, "")
        elif self.path == "/execution-parameters":
            self._answer(200, json.dumps(PARAMETERS), "application/json")
        else:
            self._answer(404, "no such path; there are /ping, /execution-parameters and /invocations")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self._answer(411, "Content-Length is required", close=True)
        if int(length) > LARGEST_BODY_MB << 20:
            return self._answer(413, f"more than {LARGEST_BODY_MB} MB in one request", close=True)
        body = self.rfile.read(int(length))
        if self.path != "/invocations":
            return self._answer(404, "no such path; POST goes to /invocations")
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type not in CONTENT_TYPES:
            return self._answer(415, f"Content-Type {content_type!r} is not {CONTENT_TYPES[0]}")
        started = time.perf_counter()
        try:
            with self.busy:
                lines = self.scorer.lines(body)
        except LineError as error:
            say(f"refused: {one_line(error)}")
            return self._answer(400, one_line(error))
        except Exception as error:
            say(f"failed: {one_line(error)}")
            return self._answer(500, one_line(error))
        say(f"{len(lines)} lines in {time.perf_counter() - started:.2f} s")
        return self._answer(200, "".join(f"{line}\n" for line in lines))

    def _answer(self, status: int, text: str, content_type: str = "text/plain", close: bool = False) -> None:
        if status >= 400:
            text += "\n"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: /ping comes every second, and invocations are logged above."""


def make_server(setup: Setup) -> ThreadingHTTPServer:
    """Loads the model, then binds: a server that answers /ping is ready."""
    device = choose_device(setup.device, gpus_promised=0)
    set_up(device)
    exported = load(setup.model_dir, device)
    scorer = Scorer(exported, release_tag(setup.release), setup.generated_at, setup.size, device)
    handler = type("BoundHandler", (Handler,), {"scorer": scorer, "busy": threading.Lock()})
    # Every interface: SageMaker reaches the container from outside its network namespace.
    server = ThreadingHTTPServer((os.environ.get("SEGUE_BIND_ADDRESS") or "0.0.0.0", setup.port), handler)
    say(f"serving {len(exported.artist_numbers):,} artists on port {server.server_address[1]}, {device}")
    return server


def main() -> int:
    try:
        server = make_server(Setup.read(dict(os.environ)))
    except (SegueError, OSError) as error:
        print(f"serve: {one_line(error)}", file=sys.stderr, flush=True)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
