"""A small web page that shows which words mattered: type a description, see its section and its words weighted.

    python scripts/attention_page.py                        serves http://127.0.0.1:8000
    python scripts/attention_page.py --out page.html        writes the page for some held-out descriptions

Runs where porting and NeoML are, or with numpy alone (--engine numpy); each text is one pass through the network.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from attention_neoml import FOLDER, Reader
from sequences_data import labelled

STYLE = """
body { font: 17px/1.6 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; color: #1d2430 }
h1 { font-size: 1.35rem; margin-bottom: .2rem }
p.note { color: #5b6675; margin-top: 0; font-size: .92rem }
form { display: flex; gap: .5rem; margin: 1.4rem 0 }
input { flex: 1; font: inherit; padding: .45rem .7rem; border: 1px solid #b9c2ce; border-radius: 6px }
button { font: inherit; padding: .45rem 1.1rem; border: 0; border-radius: 6px; background: #0b6b57; color: #fff }
article { border-top: 1px solid #e1e6ec; padding: .9rem 0 }
.section { display: inline-block; min-width: 9.5rem; font-weight: 600 }
.section small { color: #5b6675; font-weight: 400 }
.words { line-height: 2.4 }
.word { padding: .15rem .4rem; border-radius: 5px; margin-right: .15rem; white-space: nowrap }
.word sub { color: #33443f; font-size: .62rem; margin-left: .15rem }
"""
EXAMPLES = 8


def shade(weight: float, largest: float) -> str:
    """The deeper, the more the word counts beside the one that counts most."""
    return f"rgba(18, 150, 120, {0.08 + 0.72 * weight / largest:.2f})"


def article(reader: Reader, text: str) -> str:
    section, probability, words = reader.explain(text)
    largest = max((weight for _, weight in words), default=1.0)
    spans = (
        f'<span class="word" style="background: {shade(weight, largest)}">{escape(word)}<sub>{weight:.2f}</sub></span>'
        for word, weight in words
    )
    name = f'<span class="section">{escape(section)} <small>{probability:.0%}</small></span>'
    return f'<article>{name}<div class="words">{" ".join(spans)}</div></article>'


def page(reader: Reader, texts: Iterable[str], typed: str = "") -> str:
    """The whole page: the form, and an article for each text."""
    engine = reader.net.engine.name
    articles = "\n".join(article(reader, text) for text in texts)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which words mattered</title><style>{STYLE}</style>
<h1>Which words mattered</h1>
<p class="note">A Keras network with an attention layer of its own, running in {escape(engine)}: one pass gives the
section of a Debian package from its description, and the weight of every word.</p>
<form><input name="text" value="{escape(typed, quote=True)}" placeholder="a description of a package" autofocus>
<button>Read</button></form>
{articles}
</html>
"""


def examples() -> list[str]:
    texts = labelled("test")[0]
    return texts[3 :: len(texts) // EXAMPLES][:EXAMPLES]


def serve(reader: Reader, port: int) -> None:
    """Answer until interrupted, one request at a time."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            typed = parse_qs(urlsplit(self.path).query).get("text", [""])[0].strip()[:400]
            body = page(reader, [typed] if typed else examples(), typed).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    print(f"http://127.0.0.1:{port}", flush=True)
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the page here instead of serving it")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--engine", choices=["neoml", "numpy"])
    parser.add_argument("texts", nargs="*", help="descriptions to show with --out")
    given = parser.parse_args()
    reader = Reader(FOLDER, given.engine)
    if given.out is not None:
        given.out.write_text(page(reader, given.texts or examples()), encoding="utf-8")
        print(f"wrote {given.out}")
        return
    serve(reader, given.port)


if __name__ == "__main__":
    main()
