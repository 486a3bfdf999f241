"""Templates and the two files beside them, read once and named by their content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from components.crowd.pages.safe_markdown import to_html

HERE = Path(__file__).parent.parent
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
STATIC = {file.name: file.read_bytes() for file in sorted((HERE / "static").iterdir()) if file.suffix in TYPES}
VERSION = hashlib.sha256(b"".join(STATIC.values())).hexdigest()[:12]

TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["static"] = f"/static/{VERSION}"


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """An HTML answer."""
    return HTMLResponse(TEMPLATES.get_template(template).render(**values), status)


@lru_cache(maxsize=64)
def instruction_html(text: str) -> Markup:
    """A study's instruction as HTML."""
    return markdown(text)


def markdown(text: str) -> Markup:
    """Markdown as HTML that can do nothing."""
    return Markup(to_html(text))


def static_file(name: str) -> Response:
    """A file of `static`, to be kept for as long as its address, which changes with the content."""
    if name not in STATIC:
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(STATIC[name], media_type=TYPES[Path(name).suffix], headers=headers)


def message(title: str, text: str, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """A page of one sentence."""
    answer = page("message.html.j2", status, title=title, text=text)
    answer.headers.update(headers or {})
    return answer
