"""The evaluation as one HTML page: tables and plots in inline SVG, no script, nothing fetched."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, LABEL, ROW = 640, 150, 26
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1d2433}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #d8dde6}
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}text{font:13px system-ui,sans-serif}"""


@dataclass(frozen=True)
class Bar:
    """One bar of a plot; `interval` is drawn as a line over its end."""

    label: str
    value: float
    interval: list[float] | None


def report(evaluation: dict[str, Any]) -> str:
    """A page from what `evaluation.json` holds."""
    k, protocol = evaluation["protocol"]["k"][0], evaluation["protocol"]
    metrics, intervals = evaluation["metrics"], evaluation["intervals"]
    parts = [
        f"<h1>Evaluation of {escape(evaluation['runId'] or 'unnamed run')}</h1>",
        f"<p>Temporal holdout at {escape(protocol['cutoff'])}, {protocol['listeners']:,} listeners: "
        f"{escape(protocol['rule'])}. Lines over the bars are 95 % bootstrap intervals over listeners.</p>",
        _table(
            ["", *metrics["model"]],
            [[who, *(f"{value:.4f}" for value in values.values())] for who, values in metrics.items()],
        ),
    ]
    for metric in (f"ndcg@{k}", f"recall@{k}", f"map@{k}"):
        found = [Bar(who, values[metric], intervals[who][metric]) for who, values in metrics.items()]
        parts.append(bars(metric, found))
    parts.append("<h2>Popularity bias</h2><p>Mean share of listeners who already played a listed artist.</p>")
    name = f"popularity@{k}"
    parts.append(bars(name, [Bar(who, values[name], None) for who, values in metrics.items()]))
    parts.append("<h2>By group</h2>")
    for by in dict.fromkeys(group["by"] for group in evaluation["groups"]):
        own = [group for group in evaluation["groups"] if group["by"] == by]
        labels = [f"{group['value'] or 'unknown'} ({group['listeners']:,})" for group in own]
        found = [Bar(label, group[f"ndcg@{k}"], None) for label, group in zip(labels, own, strict=True)]
        parts.append(bars(f"ndcg@{k} by {by}", found))
    gaps = [[gap["by"], gap["metric"], f"{gap['gap']:.4f}", gap["lowest"] or "unknown", gap["highest"] or "unknown"]
            for gap in evaluation["gaps"]]  # fmt: skip
    if gaps:
        parts += ["<h2>Gaps</h2>", _table(["between groups by", "metric", "gap", "lowest", "highest"], gaps)]
    settings = [[name, f"{value:g}"] for name, value in evaluation["hyperparameters"].items()]
    seconds = [[name, f"{value:.1f} s"] for name, value in evaluation["timings"].items()]
    parts += ["<h2>Settings</h2>", _table(["", ""], settings), "<h2>Time</h2>", _table(["phase", "time"], seconds)]
    head = f'<meta charset="utf-8"><title>Evaluation</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def bars(title: str, rows: list[Bar]) -> str:
    """A horizontal bar chart as SVG."""
    longest = max([1e-9, *(max(row.value, *(row.interval or [0.0])) for row in rows)])
    scale = (WIDTH - LABEL - 70) / longest
    shapes = []
    for at, row in enumerate(rows):
        top, end = 30 + at * ROW, LABEL + max(0.0, row.value) * scale
        right = end
        shapes.append(f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(row.label)}</text>')
        shapes.append(f'<rect x="{LABEL}" y="{top}" width="{end - LABEL:.1f}" height="18" fill="#5b7fc7"/>')
        if row.interval:
            low, right = (LABEL + edge * scale for edge in row.interval)
            line = f'x1="{low:.1f}" x2="{right:.1f}" y1="{top + 9}" y2="{top + 9}"'
            shapes.append(f'<line {line} stroke="#1d2433" stroke-width="2"/>')
        shapes.append(f'<text x="{max(end, right) + 6:.1f}" y="{top + 14}">{row.value:.4f}</text>')
    height = 36 + ROW * len(rows)
    heading = f'<text x="0" y="18" font-weight="600">{escape(title)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(title)}">{heading}{"".join(shapes)}</svg>'
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
