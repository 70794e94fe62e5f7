"""The status page in a real browser, where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import browser
import pytest
from support.looks import Looks

from syncd.daemon.http import StatusServer

PROGRAM = browser.find()

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def tab() -> Iterator[browser.Tab]:
    assert PROGRAM is not None
    with browser.opened(PROGRAM) as opened:
        yield opened


@pytest.fixture
def url() -> Iterator[str]:
    server = StatusServer("127.0.0.1", 0, Looks(), lambda: (True, ""))
    server.start()
    yield server.url
    server.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 760, 1240])
def test_the_page_fits_its_window_and_the_browser_complains_of_nothing(
    tab: browser.Tab, url: str, width: int, scheme: str
) -> None:
    tab.complaints.clear()
    tab.open(url, width, scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("document.styleSheets.length") == 1
    assert tab.evaluate("document.querySelectorAll('.history .cell').length") == 28
    assert tab.complaints == []


def test_colours_follow_the_reader_and_text_stays_legible(tab: browser.Tab, url: str) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        tab.open(url, 375, scheme=scheme)
        grounds.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert tab.evaluate("parseFloat(getComputedStyle(document.querySelector('.concerns p')).fontSize)") >= 14
    assert grounds[0] != grounds[1]


def test_what_the_policy_forbids_is_noticed_by_these_tests(tab: browser.Tab, url: str) -> None:
    tab.open(url, 375)
    tab.complaints.clear()
    tab.evaluate("document.body.setAttribute('style', 'color: red')")
    tab.evaluate("1")
    assert any("Content Security Policy" in one or "ContentSecurityPolicy" in one for one in tab.complaints)
    tab.complaints.clear()
