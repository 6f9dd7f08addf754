"""Hyperparameter tuning jobs: CreateHyperParameterTuningJob to the best of the training jobs that it starts.

Values are drawn at random in place of SageMaker's Bayesian search, from a seed by the job's name: a few local trainings
are too few to learn from.
"""

from __future__ import annotations

import math
import random
import time
import uuid

from . import training
from .errors import ApiError, JobFailure, invalid, not_emulated
from .jobs import Job, Stopped
from .service import SageMaker
from .validation import validate

RANGES = ("IntegerParameterRanges", "ContinuousParameterRanges")


def create(service: SageMaker, request: dict) -> dict:
    """Starts the job and answers with its ARN at once. The request's shape has been checked."""
    name, config = request["HyperParameterTuningJobName"], request["HyperParameterTuningJobConfig"]
    _refuse(request, config)
    arn = service.arn(f"hyper-parameter-tuning-job/{name}")
    description = {
        "HyperParameterTuningJobArn": arn,
        **{key: value for key, value in request.items() if key != "Tags"},
        "TrainingJobStatusCounters": {},
        "ObjectiveStatusCounters": {},
    }
    job = Job("HyperParameterTuning", name, description)
    with service.lock:
        if name in service.tuning_jobs:
            raise ApiError("ResourceInUse", f"Hyperparameter tuning job already exists: {name}")
        service.tuning_jobs[name] = job
    service.set_tags(arn, request.get("Tags"))
    job.begin(lambda job: _Search(service, job, request).work(), _finish)
    return {"HyperParameterTuningJobArn": arn}


def _refuse(request: dict, config: dict) -> None:
    if "TrainingJobDefinition" not in request or "HyperParameterTuningJobObjective" not in config:
        raise not_emulated("a tuning without TrainingJobDefinition and HyperParameterTuningJobObjective")
    for key in ("WarmStartConfig", "Autotune"):
        if key in request:
            raise not_emulated(key)
    given = config.get("ParameterRanges", {})
    if other := [key for key in given if key not in RANGES and given[key]]:
        raise not_emulated(f"ParameterRanges.{other[0]}")
    limits, definition = config["ResourceLimits"], request["TrainingJobDefinition"]
    if limits["MaxParallelTrainingJobs"] > limits.get("MaxNumberOfTrainingJobs", 0):
        raise invalid("MaxParallelTrainingJobs must not be greater than MaxNumberOfTrainingJobs")
    names = [each["Name"] for key in RANGES for each in given.get(key, [])]
    if not names:
        raise invalid("ParameterRanges must have at least one range")
    for name in names:
        if name in definition.get("StaticHyperParameters", {}):
            raise invalid(f"Hyperparameter {name} is in both StaticHyperParameters and ParameterRanges")
    objective = config["HyperParameterTuningJobObjective"]["MetricName"]
    metrics = [each["Name"] for each in definition["AlgorithmSpecification"].get("MetricDefinitions", [])]
    if objective not in metrics:
        raise invalid(f"The objective metric {objective} is not in MetricDefinitions")


class _Search:
    """One job's work, in the job's thread."""

    def __init__(self, service: SageMaker, job: Job, request: dict) -> None:
        self.service, self.job = service, job
        self.config, self.definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
        self.random = random.Random(job.name)
        self.drawn: dict[str, dict[str, str]] = {}

    def work(self) -> None:
        limits = self.config["ResourceLimits"]
        waiting = limits["MaxNumberOfTrainingJobs"]
        try:
            while waiting or self._running():
                self.job.check()
                while waiting and len(self._running()) < limits["MaxParallelTrainingJobs"] and self._start():
                    waiting -= 1
                self._report()
                time.sleep(0.1)
        except Stopped:
            for each in self._running():
                each.stop()
                each.finished.wait()
            raise
        finally:
            self._report()
        if "BestTrainingJob" not in self.job.describe():
            reasons = [each.describe().get("FailureReason", "no objective metric") for each in self._jobs()]
            raise JobFailure(f"All training jobs failed. Please take a look at the training jobs failures: {reasons[0]}")

    def _jobs(self) -> list[Job]:
        return [self.service.training_jobs[name] for name in self.drawn]

    def _running(self) -> list[Job]:
        return [each for each in self._jobs() if each.running]

    def _start(self) -> bool:
        """False where the quota must wait for another of this job to end."""
        drawn = self._draw()
        name = f"{self.job.name}-{len(self.drawn) + 1:03d}-{uuid.UUID(int=self.random.getrandbits(128)).hex[:8]}"
        objective = self.config["HyperParameterTuningJobObjective"]["MetricName"]
        static = self.definition.get("StaticHyperParameters", {})
        request = {
            **{key: value for key, value in self.definition.items() if key != "StaticHyperParameters"},
            "TrainingJobName": name,
            "HyperParameters": {**static, **drawn, "_tuning_objective_metric": objective},
        }
        try:
            validate("CreateTrainingJob", request)
            training.create(self.service, request)
        except ApiError as error:
            if error.code == "ResourceLimitExceeded" and self._running():
                return False
            raise JobFailure(f"{error.code}: {error.message}") from None
        described = self.service.job(self.service.training_jobs, name)
        described.update(TuningJobArn=self.service.arn(f"hyper-parameter-tuning-job/{self.job.name}"))
        self.drawn[name] = drawn
        return True

    def _draw(self) -> dict[str, str]:
        ranges = self.config.get("ParameterRanges", {})
        whole, real = (ranges.get(key, []) for key in RANGES)
        return {
            **{each["Name"]: str(round(self._value(each))) for each in whole},
            **{each["Name"]: f"{self._value(each):.6g}" for each in real},
        }

    def _value(self, of: dict) -> float:
        least, most = float(of["MinValue"]), float(of["MaxValue"])
        if of.get("ScalingType") == "Logarithmic":
            return math.exp(self.random.uniform(math.log(least), math.log(most)))
        return self.random.uniform(least, most)

    def _report(self) -> None:
        objective = self.config["HyperParameterTuningJobObjective"]
        summaries = [self._summary(name, objective) for name in self.drawn]
        ended = [each for each in summaries if each["ObjectiveStatus"] == "Succeeded"]
        sign = 1 if objective["Type"] == "Maximize" else -1
        best = max(ended, key=lambda each: sign * each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"], default=None)

        def count(key: str, value: str) -> int:
            return sum(each[key] == value for each in summaries)

        self.job.update(
            TrainingJobStatusCounters={
                "Completed": count("TrainingJobStatus", "Completed"),
                "InProgress": count("TrainingJobStatus", "InProgress"),
                "RetryableError": 0,
                "NonRetryableError": count("TrainingJobStatus", "Failed"),
                "Stopped": count("TrainingJobStatus", "Stopped"),
            },
            ObjectiveStatusCounters={each: count("ObjectiveStatus", each) for each in ("Succeeded", "Pending", "Failed")},
            **({"BestTrainingJob": best} if best else {}),
        )

    def _summary(self, name: str, objective: dict) -> dict:
        job = self.service.training_jobs[name]
        running, described = job.running, job.describe()
        metrics = {each["MetricName"]: each["Value"] for each in described.get("FinalMetricDataList", [])}
        value = metrics.get(objective["MetricName"]) if described["TrainingJobStatus"] == "Completed" else None
        kept = ("TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "CreationTime", "TrainingStartTime", "TrainingEndTime")
        return {
            **{key: described[key] for key in (*kept, "FailureReason") if key in described},
            "TunedHyperParameters": self.drawn[name],
            "ObjectiveStatus": "Pending" if running else "Failed" if value is None else "Succeeded",
            **({} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": {**objective, "Value": value}}),
        }


def _finish(job: Job, _status: str, _secondary: str) -> None:
    job.update(HyperParameterTuningEndTime=time.time())
