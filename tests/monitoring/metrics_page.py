"""docs/metrics.md, generated from the catalogue: ``python -m tests.monitoring.metrics_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from te_core.reporting.metrics import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
INTRODUCTION = """\
# Metrics

The private listener serves `/metrics` for Prometheus, with the same token as its other addresses. [prometheus.yml]\
(monitoring/prometheus.yml) scrapes it, [alerts.yml](monitoring/alerts.yml) has alert rules, [dashboard.json]\
(monitoring/dashboard.json) is a Grafana dashboard.

Labels are names from your settings and words defined by the engine; external text never becomes a label. Unknown values
are absent, not zero: a position that cannot be read, an outdated equity. Histograms have the usual suffixes
(`_bucket`, `_sum`, `_count`). Numbers are floats here; the engine itself calculates in decimals.

"""


def page() -> str:
    """Return the text of the page."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.text} |"
        for metric in CATALOGUE
    ]
    return (
        INTRODUCTION + "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows]) + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
