"""AWS::CloudWatch::Alarm over an expression of metrics: kept and shown, as every alarm is, but nothing evaluates it."""

from __future__ import annotations

import ministack.services.cloudformation.provisioners as provisioners

from .internals import need

#: In place of the one metric that MiniStack wants an alarm to have.
EXPRESSION = {"MetricName": "expression", "Namespace": "expression"}


def install() -> None:
    record = need("ministack.services.cloudformation.provisioners", "_cw_metric_alarm_record")

    def record_with_expressions(name: str, props: dict) -> dict:
        metrics = props.get("Metrics")
        if not metrics:
            return record(name, props)
        single = {key: value for key, value in props.items() if key != "Metrics"}
        return {**record(name, {**single, **EXPRESSION}), "Metrics": metrics}

    provisioners._cw_metric_alarm_record = record_with_expressions
