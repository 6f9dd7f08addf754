"""The evaluation as one HTML page: tables and plots in inline SVG, no script, nothing fetched."""

from __future__ import annotations

from html import escape
from typing import Any

from .plots import Bar, bars, curve, diverging

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1d2433}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}td,th{padding:.25rem .5rem;text-align:right;white-space:nowrap;border-bottom:1px solid #d8dde6}
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}text{font:13px system-ui,sans-serif}"""
MOST_RELEASES = 12  # in the plot; the table has all


def report(evaluation: dict[str, Any]) -> str:
    """A page from what `evaluation.json` holds."""
    k, protocol = evaluation["protocol"]["k"][0], evaluation["protocol"]
    metrics, intervals = evaluation["metrics"], evaluation["intervals"]
    parts = [
        f"<h1>Evaluation of {escape(evaluation['runId'] or 'unnamed run')}</h1>",
        f"<p>Temporal holdout at {escape(protocol['cutoff'])}, {protocol['listeners']:,} listeners: "
        f"{escape(protocol['rule'])}. Below the figures, and as lines over the bars, are 95 % bootstrap intervals over listeners.</p>",
        _table(["", *metrics], [row for metric in metrics["model"] for row in _figures(metric, metrics, intervals)]),
    ]
    for metric in (f"ndcg@{k}", f"recall@{k}", f"map@{k}"):
        found = [Bar(who, values[metric], intervals[who][metric]) for who, values in metrics.items()]
        parts.append(bars(metric, found))
    parts += _champion(evaluation["champion"])
    parts += _ranker(evaluation["ranker"])
    parts.append("<h2>Popularity bias</h2><p>Mean share of listeners who already played a listed artist.</p>")
    name = f"popularity@{k}"
    parts.append(bars(name, [Bar(who, values[name], intervals[who][name]) for who, values in metrics.items()]))
    parts.append("<h2>By group</h2>")
    for by in dict.fromkeys(group["by"] for group in evaluation["groups"]):
        own = [group for group in evaluation["groups"] if group["by"] == by]
        labels = [f"{group['value'] or 'unknown'} ({group['listeners']:,})" for group in own]
        name = f"ndcg@{k}"
        found = [Bar(label, group[name], group["intervals"][name]) for label, group in zip(labels, own, strict=True)]
        parts.append(bars(f"ndcg@{k} by {by}", found))
    gaps = [
        [
            gap["by"],
            gap["metric"],
            f"{gap['gap']:.4f} ({_ends(gap['interval'])})",
            gap["lowest"] or "unknown",
            gap["highest"] or "unknown",
        ]
        for gap in evaluation["gaps"]
    ]
    if gaps:
        parts += ["<h2>Gaps</h2>", _table(["between groups by", "metric", "gap", "lowest", "highest"], gaps)]
    parts += _calibration(evaluation["calibration"])
    parts += _robustness(evaluation["robustness"], metrics["model"], k)
    parts += _accuracy(evaluation["accuracy"])
    parts += _new_artists(evaluation["newArtists"], k)
    parts += _mattered(evaluation["mattered"])
    parts += _feedback(evaluation["feedback"])
    settings = [[name, f"{value:g}"] for name, value in evaluation["hyperparameters"].items()]
    seconds = [[name, f"{value:.1f} s"] for name, value in evaluation["timings"].items()]
    parts += ["<h2>Settings</h2>", _table(["", ""], settings), "<h2>Time</h2>", _table(["phase", "time"], seconds)]
    head = f'<meta charset="utf-8"><title>Evaluation</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _figures(metric: str, metrics: dict[str, Any], intervals: dict[str, Any]) -> list[list[str]]:
    """What everybody has of a metric, and below it the intervals."""
    values = [f"{own[metric]:.4f}" for own in metrics.values()]
    return [[metric, *values], ["", *(_ends(intervals[who][metric]) for who in metrics)]]


def _ends(interval: list[float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def _champion(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    if not found["compared"]:
        return ["<h2>Beside the champion</h2>", f"<p>Not compared: {escape(found['reason'])}.</p>"]
    bars_ = [Bar(name, one["difference"], one["interval"]) for name, one in found["differences"].items()]
    said = "; ".join(f"{bar.label} {bar.value:+.4f} ({_ends(bar.interval)})" for bar in bars_)
    return [
        "<h2>Beside the champion</h2>",
        f"<p>The model less {escape(found['runId'])}, which was trained until {escape(found['until'])}, listener by listener on "
        f"this holdout: {escape(said)}.</p>",
        diverging("model less champion", bars_),
    ]


def _ranker(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    if "differences" not in found:
        return ["<h2>Second stage</h2>", f"<p>Not used: {escape(found['reason'])}.</p>"]
    bars_ = [Bar(name, one["difference"], one["interval"]) for name, one in found["differences"].items()]
    said = "; ".join(f"{bar.label} {bar.value:+.4f} ({_ends(bar.interval)})" for bar in bars_)
    gains = [[one["feature"].replace("_", " "), f"{one['gain']:,.0f}"] for one in found["features"] if one["gain"] > 0]
    return [
        f"<h2>Second stage</h2><p>A forest of {found['trees']} trees puts the first stage's {found['candidates']} best artists into "
        f"another order. Learned by LambdaRank from what {found['listeners']:,} listeners first played before the holdout, "
        f"{found['stoppedBy']:,} more said when to stop. It is {'used, and' if found['used'] else 'not used, and not'} in the "
        f"model's figures above. With it less without: {escape(said)}.</p>",
        diverging("with the second stage less without", bars_),
        _table(["feature", "gain"], gains),
    ]


def _calibration(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    points = [(one["predicted"], one["observed"]) for one in found["curve"]]
    return [
        "<h2>Calibration</h2>",
        "<p>What share of the listed artists with a score is played is learned from half of the listeners and compared with "
        f"what the other {found['listeners']:,} played. Mean absolute difference (expected calibration error): "
        f"{found['error']:.4f} ({_ends(found['interval'])}).</p>",
        curve("played, by what was predicted", points, "predicted", "played", diagonal=True),
    ]


def _robustness(found: list[dict[str, Any]], whole: dict[str, float], k: int) -> list[str]:
    names = [f"recall@{k}", f"ndcg@{k}"]
    rows = [["0%", *(f"{whole[name]:.4f}" for name in names)]]
    rows += [
        [f"{one['dropped']:.0%}", *(f"{one[name]:.4f} ({_ends(one['intervals'][name])})" for name in names)]
        for one in found
    ]
    points = [(0.0, whole[names[1]]), *((one["dropped"], one[names[1]]) for one in found)]
    return [
        "<h2>When events are lost</h2><p>The same model and lists, made from histories of which a share is missing.</p>",
        _table(["missing", *names], rows),
        curve(f"{names[1]} by the share that is missing", points, "missing", names[1]),
    ]


def _feedback(found: dict[str, Any]) -> list[str]:
    chosen = found["chosen"]
    if not found["trials"]:
        return ["<h2>Worth of feedback</h2><p>The weights that the interactions came with: nothing to learn them from.</p>"]
    rows = [
        [*(f"{trial[name]:g}" for name in chosen), f"{trial['quality']:.4f}"] for trial in found["trials"]
    ]
    said = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in chosen.items())
    return [
        f"<h2>Worth of feedback</h2><p>Beside a whole play, learned on the time before the holdout: {escape(said)}. "
        "Half-life in days, 0 for none; quality is the mean of recall and NDCG of a small model.</p>",
        _table([*(name.replace("_", " ") for name in chosen), "quality"], rows),
    ]


def _accuracy(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    rows = [
        [
            f"{one['release'] or 'unknown'}, {one['variant'] or 'unknown'}",
            f"{one['shown']:,}",
            f"{one['clicked']:,}",
            f"{one['accuracy']:.4f} ({_ends(one['interval'])})",
        ]
        for one in found["releases"]
    ]
    latest = sorted(found["releases"], key=lambda one: one["release"])[-MOST_RELEASES:]
    return [
        f"<h2>Accuracy of what served</h2><p>Clicks over recommendations shown: {found['clicked']:,} of {found['shown']:,}, "
        f"{found['accuracy']:.4f} ({_ends(found['interval'])}), of {found['listeners']:,} listeners. An artist of one answer "
        "counts once.</p>",
        _table(["release", "shown", "clicked", "accuracy"], rows),
        bars("accuracy by release", [
            Bar(f"{one['release'][:8]} {one['variant'][:10]}", one["accuracy"], one["interval"]) for one in latest
        ]),
    ]


def _new_artists(found: dict[str, Any], k: int) -> list[str]:
    rows = [
        [name, f"{one['without']:.4f}", f"{one['with']:.4f}", f"{one['difference']:+.4f} ({_ends(one['interval'])})"]
        for name, one in ((name, found[name]) for name in (f"recall@{k}", f"ndcg@{k}"))
    ]
    rows.append(["places with a new artist", f"{found['slots']['without']:.1%}", f"{found['slots']['with']:.1%}", ""])
    return [
        f"<h2>New artists</h2><p>{found['artists']:,} artists, {found['catalogue']:.1%} of the catalogue, had fewer than "
        f"{found['listeners']} listeners at the cutoff, all of the last {found['days']:g} days. With {found['share']:.1%} of the "
        f"places kept for them {found['surfaced']:.1%} of them are in some list, and {found['played']:.1%} of these places hold "
        "an artist that the listener then played. Below, what was played of new artists counts, too.</p>",
        _table(["", "without", "with", "difference"], rows),
    ]


def _mattered(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    rows = [
        [
            one["feature"],
            f"{one['positive']:.3f}",
            f"{one['negative']:.3f}",
            f"{one['difference']:+.3f} ({_ends(one['interval'])})",
            f"{one['weight']:+.3f}",
        ]
        for one in found["features"]
    ]
    return [
        f"<h2>What mattered</h2><p>Artists of {found['positive']:,} days with positive feedback (played or liked, never "
        f"skipped) beside those of {found['negative']:,} with negative feedback (skipped or passed over, never played). The "
        "difference is in standard deviations; the weight is of a logistic regression on all features together, in "
        f"log-odds for a standard deviation. The regression puts a positive above a negative in {found['auc']:.1%} of pairs "
        "of listeners that it was not made from.</p>",
        _table(["feature", "positive", "negative", "difference", "weight"], rows),
        diverging(
            "positive over negative, in standard deviations",
            [Bar(one["feature"], one["difference"], one["interval"]) for one in found["features"]],
        ),
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
