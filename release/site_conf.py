"""Settings of Sphinx for the site that ``release.site`` gathers."""

project = "trade-engine"
html_title = "trade-engine"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_default_options = {"exclude-members": "model_config"}
html_theme = "furo"
html_show_sphinx = False
