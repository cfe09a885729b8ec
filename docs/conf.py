"""How the site is built: `make docs`, every warning an error."""

from importlib.metadata import version as read_version

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Vestnik"
author = "The authors of Vestnik"
version = release = read_version("vestnik")
language = "en"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["build"]
html_theme = "furo"
html_title = f"Vestnik {version}"
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
html_show_sphinx = False
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nitpicky = True


def setup(app: Sphinx) -> None:
    """Diagrams stay text here, which others draw who show the pages: it would take somebody's script."""
    app.add_lexer("mermaid", TextLexer)
