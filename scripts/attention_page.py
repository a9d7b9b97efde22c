"""A small web page that shows which words mattered: type a description, see its section and its words weighted.

    python scripts/attention_page.py                        serves http://127.0.0.1:8000
    python scripts/attention_page.py --out page.html        writes the page for some held-out descriptions

Runs where porting and NeoML are, or with numpy alone (--engine numpy); each text is one pass through the network.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Iterable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from attention_neoml import FOLDER, Reader
from descriptions_data import words_of
from sequences_data import labelled

STYLE = """
* { box-sizing: border-box }
body { font: 17px/1.6 system-ui, sans-serif; color: #1d2430; background: #fff; margin: 0 }
main { max-width: 46rem; margin: 3rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.35rem; margin: 0 0 .2rem }
h2 { font-size: 1.05rem; margin: 0 }
h2 small { color: #4d5766; font-weight: 400; font-size: .92rem }
p.note { color: #4d5766; margin: 0; font-size: .92rem }
form { margin: 1.4rem 0 }
label { display: block; font-weight: 600; margin-bottom: .3rem }
.row { display: flex; flex-wrap: wrap; gap: .5rem }
input { flex: 1 1 12rem; min-width: 0; font: inherit; padding: .45rem .7rem }
input { border: 1px solid #6b7684; border-radius: 6px }
button { font: inherit; padding: .45rem 1.1rem; border: 0; border-radius: 6px; background: #0b6b57; color: #fff }
:focus-visible { outline: 3px solid #1a4fd6; outline-offset: 2px }
article { border-top: 1px solid #c9d0d9; padding: .9rem 0 }
.warning { background: #fdf3dc; border-left: .3rem solid #a86500; padding: .3rem .7rem; margin: .4rem 0 }
.words { list-style: none; margin: .4rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .35rem }
.word { padding: .1rem .4rem; border-radius: 5px }
.word small { margin-left: .2rem }
.unknown { text-decoration: underline dotted #7a3b00; text-underline-offset: .25em }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
@media (max-width: 30rem) { main { margin: 1rem auto } }
"""
EXAMPLES = 8
# A request's first line may have 65,536 bytes, and a character takes up to twelve there.
LONGEST = 4000


def shade(weight: float, largest: float) -> str:
    """The deeper, the more the word counts beside the one that counts most."""
    return f"rgba(18, 150, 120, {0.08 + 0.72 * weight / largest:.2f})"


def warnings(reader: Reader, text: str) -> list[str]:
    """What a reader has to know about a text before believing what is said of it."""
    words = words_of(text)
    if not words:
        return ["There is no word in it: the network reads the letters a to z and digits. What follows means nothing."]
    told = []
    if not reader.known.intersection(words[: reader.length]):
        told.append("The network knows none of these words, so what follows means nothing.")
    if len(words) > reader.length:
        told.append(f"The network reads {reader.length} words; the last {len(words) - reader.length} are left out.")
    return told


def word_shown(reader: Reader, word: str, weight: float, largest: float) -> str:
    known = word in reader.known
    mark = "" if known else '<span class="spoken"> (not in the vocabulary)</span>'
    kind = "word" if known else "word unknown"
    colour = shade(weight, largest)
    return f'<li class="{kind}" style="background: {colour}">{escape(word)}{mark}<small>{weight:.2f}</small></li>'


def article(reader: Reader, text: str) -> str:
    told = "".join(f'<p class="warning">{one}</p>' for one in warnings(reader, text))
    section, probability, words = reader.explain(text)
    largest = max((weight for _, weight in words), default=1.0)
    items = "".join(word_shown(reader, word, weight, largest) for word, weight in words)
    shown = f'<ul class="words" aria-label="words, each with its weight">{items}</ul>' if items else ""
    return f"<article><h2>{escape(section)} <small>{probability:.0%}</small></h2>{told}{shown}</article>"


def page(reader: Reader, texts: Iterable[str], typed: str = "", told: str = "") -> str:
    """The whole page: the form, what is to be told, and an article for each text."""
    engine = reader.net.engine.name
    articles = "\n".join(article(reader, text) for text in texts)
    head = "The text, read" if typed else "Some descriptions that it was not trained on"
    warning = f'<p class="warning" role="alert">{escape(told)}</p>' if told else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which words mattered</title><style>{STYLE}</style></head><body><main>
<h1>Which words mattered</h1>
<p class="note">A Keras network with an attention layer of its own, running in {escape(engine)}: one pass gives the
section of a Debian package from its description, and the weight of every word. A deeper colour is a greater weight; a
dotted line is under words that the network does not know.</p>
<form><label for="text">Description of a package</label>
<div class="row"><input id="text" name="text" value="{escape(typed, quote=True)}" autocomplete="off" autofocus>
<button>Read</button></div></form>
{warning}<section aria-label="{head}">
{articles}
</section></main></body></html>
"""


def answer(reader: Reader, query: str) -> str:
    """The page for what was typed; for nothing, the examples."""
    typed = parse_qs(query).get("text", [""])[0].strip()
    if len(typed) <= LONGEST:
        return page(reader, [typed] if typed else examples(), typed)
    told = f"The text has {len(typed):,} letters, and the page takes {LONGEST:,}. Nothing was read: shorten it."
    return page(reader, [], typed, told)


def examples() -> list[str]:
    texts = labelled("test")[0]
    return texts[3 :: len(texts) // EXAMPLES][:EXAMPLES]


class Server(ThreadingHTTPServer):
    """A thread for each reader, so nobody waits for another's connection."""

    request_queue_size = 64
    # On Windows the option would let two servers have one port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, reader: Reader, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.reader = reader

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader who has gone away is not an error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path != "/":
            self.send_error(404, "There is one page here, /")
            return
        body = answer(self.server.reader, url.query).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(reader: Reader, port: int) -> None:
    """Answer until interrupted. Ends the program with a sentence where the port cannot be had."""
    try:
        server = Server(reader, port)
    except (OSError, OverflowError) as error:
        busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is taken by another program" if busy else f"cannot be had: {error}"
        sys.exit(f"port {port} {why}; give another with --port, or --port 0 for any that is free")
    with server:
        print(f"http://127.0.0.1:{server.server_port} (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nstopped")


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
