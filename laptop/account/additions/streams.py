"""The batching window of Kinesis event source mappings (`MaximumBatchingWindowInSeconds`), which MiniStack ignores.

After a batch a mapping rests for its window, unless a full batch is already waiting, so that a trickle of records comes as
a few batches instead of one each.
"""

from __future__ import annotations

import time

import ministack.services.lambda_svc as lambda_svc

from .internals import need

LAMBDA = "ministack.services.lambda_svc"


def install() -> None:
    poll = need(LAMBDA, "_poll_kinesis")

    def poll_then_rest() -> bool:
        processed = poll()
        if processed:
            _rest()
        return processed

    lambda_svc._poll_kinesis = poll_then_rest


def _rest() -> None:
    until, positions = need(LAMBDA, "_esm_backoff_until"), need(LAMBDA, "_kinesis_positions")
    streams = need("ministack.services.kinesis", "_streams")
    for mapping in list(need(LAMBDA, "_esms").values()):
        window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        stream = streams.get(str(mapping.get("EventSourceArn", "")).rpartition("stream/")[2])
        if window <= 0 or stream is None:
            continue
        read = positions.get(mapping["UUID"]) or {}
        waiting = max((len(shard["records"]) - read.get(name, 0) for name, shard in stream["shards"].items()), default=0)
        if waiting < mapping.get("BatchSize", 100):
            until[mapping["UUID"]] = time.time() + window
