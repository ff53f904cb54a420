"""docs/metrics.md as the catalogue says it: ``python -m tests.monitoring.metrics_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from te_core.reporting.metrics import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
INTRODUCTION = """\
# Metrics

The private listener serves `/metrics` for Prometheus, with the same token as everything there. [prometheus.yml]\
(monitoring/prometheus.yml) scrapes it, [alerts.yml](monitoring/alerts.yml) has alert rules, [dashboard.json]\
(monitoring/dashboard.json) is a dashboard for Grafana.

Labels are names of your settings and words of the engine's own; nothing that comes from outside becomes one. What is
not known is absent, not zero: a position that cannot be read, an equity from before. Histograms have the usual suffixes
(`_bucket`, `_sum`, `_count`). Numbers are floats here; the engine itself counts in decimals.

"""


def page() -> str:
    """Return the text of the page."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.text} |"
        for metric in CATALOGUE
    ]
    return (
        INTRODUCTION
        + "\n".join(["| metric | kind | labels | what it is |", "|---|---|---|---|", *rows])
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
