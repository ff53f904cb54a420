"""A badge with a plugin's level: an SVG without a script, a font or a network, and the line that shows it."""

from __future__ import annotations

from te_core.plugin_kit.levels import Level

LABEL = "trade-engine plugin"
COLOURS = {Level.NONE: "#9f9f9f", Level.BRONZE: "#a8663a", Level.SILVER: "#7d8a97", Level.GOLD: "#b8860b"}
_LABEL_WIDTH, _LEVEL_WIDTH = 124, 52


def svg(level: Level) -> str:
    """Return the picture."""
    said, width = str(level), _LABEL_WIDTH + _LEVEL_WIDTH
    label_at, level_at = _LABEL_WIDTH // 2, _LABEL_WIDTH + _LEVEL_WIDTH // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" '
        f'aria-label="{LABEL}: {said}">\n'
        f"  <title>{LABEL}: {said}</title>\n"
        f'  <rect width="{width}" height="20" rx="3" fill="#555"/>\n'
        f'  <path fill="{COLOURS[level]}" d="M{_LABEL_WIDTH} 0h{_LEVEL_WIDTH - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3'
        f'H{_LABEL_WIDTH}z"/>\n'
        '  <g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">\n'
        f'    <text x="{label_at}" y="14">{LABEL}</text>\n'
        f'    <text x="{level_at}" y="14">{said}</text>\n'
        "  </g>\n"
        "</svg>\n"
    )


def line(level: Level, file: str = "badge.svg") -> str:
    """Return the line for a README, with the picture next to it."""
    return f"![{LABEL}: {level}]({file})"
