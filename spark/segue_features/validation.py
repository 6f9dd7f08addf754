"""The rules that data must keep before a model learns from it, as `lambdas/features/validation.ts` has them."""

from collections import defaultdict
from typing import Any

from pyspark.sql import Row


def judge(rows: list[Row], rules: dict, last: int) -> dict[str, Any]:
    """The report on what `validation.sql` found. last: interactions of the run before, 0 when there is none."""
    of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of[row["rule"]].append(row)

    def count(rule: str) -> int:
        return of[rule][0]["found"] if of[rule] else 0

    def finding(rule: str, value: float, limit: float, passed: bool, text: str) -> dict[str, Any]:
        return {"rule": rule, "value": value, "limit": limit, "passed": passed, "text": text,
                "examples": [example_of(row) for row in of[rule]]}

    events, interactions = count("events"), count("interactions")
    unknown = count("unknown artists") / events if events else 0
    share = interactions / last if last else 1
    enough = rules["enough"]
    findings = [finding(rule, count(rule), 0, count(rule) == 0, text) for rule, text in rules["rows"].items()]
    findings.append(finding("volume", share, rules["volume"], last < enough or share >= rules["volume"],
                            f"{interactions} interactions, the last run had {last or 'none'}"))
    findings.append(finding("unknown artists", unknown, rules["unknownArtists"], events < enough or unknown <= rules["unknownArtists"],
                            "share of events about artists without a name in the catalogue"))
    return {"passed": all(one["passed"] for one in findings), "rules": findings}


def example_of(row: Row) -> dict[str, Any]:
    """What there is of a row at fault."""
    if row["event_id"] is not None:
        return {"eventId": row["event_id"], "type": row["type"], "fileKey": row["file_key"]}
    if row["artist_id"] is not None:
        return {"artistId": row["artist_id"], "events": row["events"]}
    if row["artist_no"] is None:
        return {"listenerId": row["listener_id"], "lastEvent": row["time"]}
    return {"listenerId": row["listener_id"], "artistNo": row["artist_no"], "time": row["time"], "weight": str(row["weight"])}


def faults_of(report: dict[str, Any]) -> str:
    """One line that says which rules failed and how far."""
    return "; ".join(f"{one['rule']}: {round(one['value'], 3)}, limit {one['limit']} ({one['text']})"
                     for one in report["rules"] if not one["passed"])
