"""Lambda on a laptop: a bounded number of processes a function, and no waiting for log lines that do not come.

MiniStack starts one more process for each invocation that finds none free, some 60 MB each. Here an invocation waits for
a process of its function instead, as a queue before AWS's concurrency limit would make it. It also waits up to 50 ms after
each invocation for lines that the handler may still write; lines that come later are taken with the next one anyway.
"""

from __future__ import annotations

import os
import threading
import time

import ministack.services.lambda_svc as lambda_svc

from .internals import need

#: Processes of one function.
MOST = max(4, os.cpu_count() or 1)
#: Longer than this an invocation does not wait: the holder may be waiting for it, when a function invokes itself.
PATIENCE = 30.0
#: Seconds to wait for the first line, between lines, and at most.
LOG_WAITS = (0.003, 0.002, 0.25)


def install() -> None:
    acquire = need("ministack.services.lambda_svc", "acquire_worker")
    release = need("ministack.services.lambda_svc", "release_worker")
    freed = threading.Condition()

    def patient_acquire(func_name, config, code_zip, qualifier="$LATEST", max_concurrency=None):
        deadline = time.monotonic() + PATIENCE
        while True:
            left = deadline - time.monotonic()
            # Past the deadline without a ceiling.
            ceiling = max_concurrency if left <= 0 else min(max_concurrency or MOST, MOST)
            worker, reason = acquire(func_name, config, code_zip, qualifier=qualifier, max_concurrency=ceiling)
            if worker is not None or left <= 0:
                return worker, reason
            with freed:
                freed.wait(timeout=min(left, 0.1))

    def telling_release(worker):
        release(worker)
        with freed:
            freed.notify_all()

    lambda_svc.acquire_worker = patient_acquire
    lambda_svc.release_worker = telling_release
    need("ministack.core.lambda_runtime", "Worker._drain_stderr_bounded").__defaults__ = LOG_WAITS
