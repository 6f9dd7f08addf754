"""Reads `[{"operation", "request"}]` and prints, for each, what AWS's own model of SageMaker has against it, or null.

The model is botocore's; the account on a laptop refuses requests by the same check.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "laptop" / "account"))

from additions.sagemaker.errors import ApiError
from additions.sagemaker.validation import validate


def problem(operation: str, request: dict) -> str | None:
    try:
        validate(operation, request)
    except ApiError as error:
        return error.message
    return None


json.dump([problem(one["operation"], one["request"]) for one in json.load(sys.stdin)], sys.stdout)
