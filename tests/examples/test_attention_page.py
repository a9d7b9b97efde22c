"""The page that shows which words mattered: what it says, and how it serves."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import attention_page
import pytest
from attention_neoml import Reader

SCRIPTS = Path(__file__).parents[2] / "scripts"
KNOWN, UNKNOWN = "a midi synthesizer with <b>reverb & more", "zzyzx qqfoo"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(engine="numpy")


def words_in(page: str) -> list[tuple[str, float]]:
    found = re.findall(r'<li class="word[^>]*>([^<]*)(?:<span.*?</span>)?<small>([\d.]+)</small>', page)
    return [(unescape(word), float(weight)) for word, weight in found]


def test_words_are_shown_with_their_weights(reader: Reader) -> None:
    page = attention_page.page(reader, [KNOWN])
    assert "<b>" not in page
    assert [word for word, _ in words_in(page)] == ["a", "midi", "synthesizer", "with", "b", "reverb", "more"]
    assert sum(weight for _, weight in words_in(page)) == pytest.approx(1.0, abs=0.05)
    assert "<h2>sound <small>" in page
    assert "warning" not in page.partition("<main>")[2]


def test_words_that_are_not_known_are_told_apart(reader: Reader) -> None:
    page = attention_page.page(reader, ["midi qqfoo"])
    assert re.search(r'<li class="word" [^>]*>midi<small>', page)
    assert re.search(
        r'<li class="word unknown" [^>]*>qqfoo<span class="spoken"> \(not in the vocabulary\)</span>', page
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (UNKNOWN, "knows none of these words"),
        ("Чатбот!", "There is no word in it"),
        ("midi " * 50, r"The network reads \d+ words; the last \d+ are left out"),
    ],
)
def test_what_means_nothing_and_what_is_left_out_is_said(reader: Reader, text: str, word: str) -> None:
    assert re.search(f'<p class="warning">[^<]*{word}', attention_page.page(reader, [text]))


def test_a_text_that_is_too_long_is_not_cut(reader: Reader) -> None:
    long = "midi " * 1000
    page = attention_page.answer(reader, "text=" + quote(long))
    assert "The text has 4,999 letters, and the page takes 4,000. Nothing was read" in page
    assert "<article>" not in page
    assert long.strip() in page
    assert page.count("<article>") == 0 < attention_page.answer(reader, "text=").count("<article>")


@pytest.fixture
def served(reader: Reader) -> Iterator[attention_page.Server]:
    with attention_page.Server(reader, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def read(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        text: str = answer.read().decode()
        return text


def test_several_readers_are_served_while_others_wait(served: attention_page.Server) -> None:
    """Some connect and ask nothing: with one thread for all, nobody else would be answered."""
    port = served.server_port
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    try:
        pages: dict[str, str] = {}
        texts = ["midi synthesizer", "chess game", "email client", "python library"]
        readers = [
            threading.Thread(target=lambda text=text: pages.update({text: read(port, f"/?text={quote(text)}")}))
            for text in texts
        ]
        for one in readers:
            one.start()
        for one in readers:
            one.join()
        for text in texts:
            assert [word for word, _ in words_in(pages[text])] == text.split()
    finally:
        for one in silent:
            one.close()


def test_other_addresses_are_not_found(served: attention_page.Server) -> None:
    with pytest.raises(HTTPError, match="There is one page here"):
        read(served.server_port, "/favicon.ico")


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", str(SCRIPTS / "attention_page.py"), "--engine", "numpy", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    # Who runs these tests may be deaf to Ctrl-C, and hand that on.
    return subprocess.Popen(command, **pipes, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def test_a_port_that_is_taken_and_ctrl_c_are_sentences() -> None:
    first = started("--port", "0")
    assert first.stdout is not None
    url = first.stdout.readline().split()[0]
    port = url.rpartition(":")[2]
    second = started("--port", port)
    said = second.communicate(timeout=120)[0]
    assert second.returncode == 1
    assert (
        said == f"port {port} is taken by another program; give another with --port, or --port 0 for any that is free\n"
    )
    first.send_signal(signal.SIGINT)
    assert first.communicate(timeout=60)[0].strip() == "stopped"
    assert first.returncode == 0
    third = started("--port", "70000")
    said = third.communicate(timeout=120)[0]
    assert "Traceback" not in said
    assert said.startswith("port 70000 cannot be had: ")


def test_the_page_is_written(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    writing = started("--out", str(target), KNOWN)
    assert writing.communicate(timeout=120)[0] == f"wrote {target}\n"
    assert len(words_in(target.read_text(encoding="utf-8"))) == 7
