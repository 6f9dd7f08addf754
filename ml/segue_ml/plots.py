"""Plots as inline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH, LABEL, ROW = 640, 150, 26
SIDE, MARGIN = 320, 48


@dataclass(frozen=True)
class Bar:
    """One bar of a plot; `interval` is drawn as a line over its end."""

    label: str
    value: float
    interval: list[float] | None


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
    return _svg(title, WIDTH, 36 + ROW * len(rows), shapes)


def diverging(title: str, rows: list[Bar]) -> str:
    """Bars to both sides of zero, with their intervals."""
    most = max([1e-9, *(abs(end) for row in rows for end in (row.value, *(row.interval or [])))])
    left, middle = 220, 220 + (WIDTH - 220 - 60) / 2
    scale = (WIDTH - left - 60) / 2 / most
    shapes = [f'<line x1="{middle}" x2="{middle}" y1="26" y2="{30 + ROW * len(rows)}" stroke="#9aa3b2"/>']
    for at, row in enumerate(rows):
        top, end = 30 + at * ROW, middle + row.value * scale
        colour = "#5b7fc7" if row.value >= 0 else "#c7725b"
        shapes.append(f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(row.label)}</text>')
        shapes.append(
            f'<rect x="{min(middle, end):.1f}" y="{top}" width="{abs(end - middle):.1f}" height="18" fill="{colour}"/>'
        )
        if row.interval:
            low, high = (middle + edge * scale for edge in row.interval)
            line = f'x1="{low:.1f}" x2="{high:.1f}" y1="{top + 9}" y2="{top + 9}"'
            shapes.append(f'<line {line} stroke="#1d2433" stroke-width="2"/>')
        shapes.append(f'<text x="{WIDTH - 52}" y="{top + 14}">{row.value:+.3f}</text>')
    return _svg(title, WIDTH, 36 + ROW * len(rows), shapes)


def curve(title: str, points: list[tuple[float, float]], x: str, y: str, diagonal: bool = False) -> str:
    """Points joined in their order, both axes from 0; `diagonal` draws x = y and scales both axes alike."""
    right = max([1e-9, *(point[0] for point in points)])
    top = max([1e-9, *(point[1] for point in points)])
    if diagonal:
        right = top = max(right, top)
    width, height = SIDE - MARGIN - 12, SIDE - 2 * MARGIN
    place = [(MARGIN + px / right * width, SIDE - MARGIN - py / top * height) for px, py in points]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in place)
    base = SIDE - MARGIN
    shapes = [
        f'<polyline points="{MARGIN},{MARGIN} {MARGIN},{base} {SIDE - 12},{base}" fill="none" stroke="#9aa3b2"/>',
        f'<polyline points="{path}" fill="none" stroke="#5b7fc7" stroke-width="2"/>',
        *(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="#5b7fc7"/>' for px, py in place),
        f'<text x="{SIDE - 12}" y="{base + 18}" text-anchor="end">{right:.3g}</text>',
        f'<text x="{MARGIN - 6}" y="{MARGIN + 4}" text-anchor="end">{top:.2g}</text>',
        f'<text x="{MARGIN}" y="{base + 18}">0</text>',
        f'<text x="{MARGIN + width / 2}" y="{base + 36}" text-anchor="middle">{escape(x)}</text>',
        f'<text x="{MARGIN + 6}" y="{MARGIN - 8}">{escape(y)}</text>',
    ]
    if diagonal:
        line = f'x1="{MARGIN}" y1="{base}" x2="{MARGIN + width}" y2="{base - height}"'
        shapes.insert(1, f'<line {line} stroke="#9aa3b2" stroke-dasharray="4 4"/>')
    return _svg(title, SIDE, SIDE, shapes)


def _svg(title: str, width: float, height: float, shapes: list[str]) -> str:
    heading = f'<text x="0" y="18" font-weight="600">{escape(title)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(title)}">{heading}{"".join(shapes)}</svg>'
    )
