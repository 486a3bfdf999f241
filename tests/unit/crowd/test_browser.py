"""The rater's page in a real browser: outputs that want to do harm, keys, no scripts, frames, a phone."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Route, sync_playwright

from components.crowd.app import create_app
from components.crowd.database import Store
from components.crowd.invitations import door_token
from components.crowd.settings import Settings
from tests.unit.crowd.studies import PLAIN, SETTINGS, headline, links, make, votes_of

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]

XSS = [
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    "<svg onload='window.harmed = 1'><svg/onload=window.harmed=1>",
    "<iframe srcdoc='<script>parent.harmed = 1</script>'></iframe>",
    "<details open ontoggle='window.harmed = 1'>x</details>",
    "<a href='javascript:window.harmed = 1'>click</a>",
    "[click](javascript:window.harmed=1) [click](JaVaScRiPt:window.harmed=1) [click](&#106;avascript:window.harmed=1)",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==) [click](vbscript:x) [click](//evil.example)",
    '![x](x"onerror="window.harmed=1) ![x](javascript:window.harmed=1)',
    "[x]: javascript:window.harmed=1\n\n[x]",
    "<style>@import '//evil.example'; body { display: none }</style>",
    "<form action=//evil.example><button name=choice value=left>A is better</button></form>",
    "<base href=//evil.example><meta http-equiv=refresh content='0;url=//evil.example'>",
    "</div></main></body><script>window.harmed = 1</script>",
    "<input autofocus onfocus='window.harmed = 1'><video><source onerror='window.harmed = 1'></video>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.harmed=1&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=window.harmed=1>'>",
    "```html\n<script>window.harmed = 1</script>\n```\n\n`<img src=x onerror=window.harmed=1>`",
    "{{ 7 * 7 }} {% raw %} ${7*7} <%= 7*7 %>",
    "&lt;script&gt;window.harmed = 1&lt;/script&gt;",
    "<a href='https://evil.example' target=_top style='position:fixed;inset:0'>everywhere</a>",
    "# <script>window.harmed=1</script>\n\n| <img src=x onerror=window.harmed=1> |\n|---|\n| x |",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


class Site:
    """The service on a port of this machine."""

    def __init__(self, store: Store, settings: Settings = SETTINGS) -> None:
        self.server = uvicorn.Server(
            uvicorn.Config(create_app(store.engine, settings), port=0, log_level="error", access_log=False)
        )
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> str:
        self.thread.start()
        deadline = time.monotonic() + 30
        while not self.server.started:
            assert time.monotonic() < deadline
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()


def begin(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Begin").click()
    listening(page, "Item 1 of")


def listening(page: Page, heading: str) -> None:
    """Wait until an item is shown and its script has begun to listen to keys."""
    page.get_by_role("heading", name=heading).wait_for()
    page.wait_for_selector("button.keys", state="attached")


def test_outputs_that_want_to_do_harm_do_nothing(sqlite: Store, browser: Browser) -> None:
    pairs = [headline(n, output=text, opponent_output="harmless", prompt=text) for n, text in enumerate(XSS)]
    study = make(sqlite, PLAIN, pairs)
    with Site(sqlite) as address:
        page = browser.new_page()
        outside: list[str] = []
        page.on("request", lambda request: None if request.url.startswith(address) else outside.append(request.url))
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        (token,) = links(sqlite, study, "one")
        begin(page, f"{address}/r/{token}")
        for number in range(len(XSS)):
            assert page.title() == f"Item {number + 1} of {len(XSS)}"
            found = page.evaluate(
                """() => ({
                    harmed: window.harmed ?? null,
                    elements: [...document.querySelectorAll(".text *")].map(one => one.localName),
                    attributes: [...document.querySelectorAll(".text *")].flatMap(one => one.getAttributeNames()),
                    forms: document.forms.length,
                    shown: getComputedStyle(document.body).display,
                })"""
            )
            assert found["harmed"] is None
            assert not {"script", "img", "svg", "iframe", "style", "form", "input", "a", "base", "meta"} & set(
                found["elements"]
            )
            assert set(found["attributes"]) <= {"class", "tabindex", "start"}
            assert (found["forms"], found["shown"]) == (2, "block")
            for words in page.locator(".text .link").all():
                words.click()
            page.keyboard.press("2")
            if number + 1 < len(XSS):
                listening(page, f"Item {number + 2} of")
        page.get_by_role("heading", name="Thank you").wait_for()
        assert (outside, dialogs) == ([], [])
        page.close()
    assert len(votes_of(sqlite)) == len(XSS)


def test_keys_press_the_buttons_once_and_can_be_switched_off(sqlite: Store, browser: Browser) -> None:
    study = make(sqlite, pairs=[headline(n) for n in range(6)])
    with Site(sqlite) as address:
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        (token,) = links(sqlite, study, "one")
        begin(page, f"{address}/r/{token}")
        for number, key in enumerate(["1", "2", "3", "ArrowLeft", "ArrowRight"], 1):
            page.keyboard.press(key)
            listening(page, f"Item {number + 1} of 6")
        page.keyboard.press("Control+1")
        page.locator("summary", has_text="Report a problem").click()
        page.locator("textarea").press_sequentially("123")
        page.get_by_role("button", name="Keys 1 2 3 are on").click()
        page.locator("body").press("1")
        assert page.title() == "Item 6 of 6"
        assert problems == []
        page.close()
    sides = [vote.model_left for vote in votes_of(sqlite)]
    pressed = ["left", "equal", "right", "left", "right"]
    expected = [
        "tie" if choice == "equal" else "win" if (choice == "left") == left else "loss"
        for choice, left in zip(pressed, sides, strict=True)
    ]
    assert [vote.outcome for vote in votes_of(sqlite)] == expected


@pytest.mark.parametrize("scripts", [True, False])
def test_double_clicks_two_tabs_the_back_button_and_reloads_store_one_vote_an_item(
    sqlite: Store, browser: Browser, scripts: bool
) -> None:
    study = make(sqlite, pairs=[headline(n) for n in range(4)])
    with Site(sqlite) as address:
        context = browser.new_context(java_script_enabled=scripts)
        (token,) = links(sqlite, study, "one")
        first, second = context.new_page(), context.new_page()
        first.goto(f"{address}/r/{token}")
        first.get_by_role("button", name="Begin").click()
        first.get_by_role("button", name="About equal").dblclick()
        first.get_by_role("heading", name="Item 2 of").wait_for()
        assert len(votes_of(sqlite)) == 1
        second.goto(f"{address}/r/{token}")
        first.get_by_role("button", name="A is better").click()
        first.get_by_role("heading", name="Item 3 of").wait_for()
        second.get_by_role("button", name="B is better").click()
        second.get_by_role("heading", name="Item 3 of").wait_for()
        first.reload()
        first.go_back()
        first.get_by_role("heading", name="Item 3 of").wait_for()
        context.close()
    votes = votes_of(sqlite)
    assert len(votes) == 2
    assert votes[1].outcome == ("win" if votes[1].model_left else "loss"), "the first tab's answer stands"


def test_each_text_has_the_direction_of_its_own_words(sqlite: Store, browser: Browser) -> None:
    study = make(sqlite, pairs=[headline(0, prompt="שאלה בעברית", output="مرحبا", opponent_output="Hello, שלום")])
    with Site(sqlite) as address:
        page = browser.new_page()
        begin(page, f"{address}/r/{links(sqlite, study, 'one')[0]}")
        found = page.evaluate("[...document.querySelectorAll('.text')].map(one => getComputedStyle(one).direction)")
        page.close()
    assert found[0] == "rtl"
    assert sorted(found[1:]) == ["ltr", "rtl"]


def test_it_works_without_scripts_by_tab_and_enter(sqlite: Store, browser: Browser) -> None:
    study = make(sqlite, pairs=[headline(0), headline(1)])
    with Site(sqlite) as address:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        (token,) = links(sqlite, study, "one")
        page.goto(f"{address}/r/{token}")
        page.get_by_role("button", name="Begin").press("Enter")
        page.get_by_role("button", name="B is better").press("Enter")
        page.locator("summary", has_text="Report a problem").press("Enter")
        page.get_by_label("What is wrong?").fill("nothing to see")
        page.get_by_role("button", name="Report and go on").press("Enter")
        assert page.get_by_role("heading", name="Thank you").count() == 1
        context.close()
    assert [vote.problem for vote in votes_of(sqlite)] == [None, "nothing to see"]


def test_what_a_screen_reader_is_told(sqlite: Store, browser: Browser) -> None:
    study = make(sqlite, pairs=[headline(0, output="# Big heading\n\ntext")])
    with Site(sqlite) as address:
        page = browser.new_page()
        (token,) = links(sqlite, study, "one")
        begin(page, f"{address}/r/{token}")
        assert page.get_by_role("heading", level=1).count() == 1
        for name in ("The request", "Answer A", "Answer B"):
            assert page.get_by_role("region", name=name).count() == 1
        assert page.get_by_role("heading", level=3, name="Big heading").count() == 1, "below the answer's own heading"
        assert page.get_by_role("form", name="Which answer is better?").get_by_role("button").count() == 4
        assert page.get_by_role("progressbar", name="Items done").count() == 1
        assert page.locator("html").get_attribute("lang") == "en"
        page.close()


def test_side_by_side_on_a_desk_and_stacked_on_a_phone(sqlite: Store, browser: Browser) -> None:
    wide = "x" * 3000 + "\n\n```\n" + "y" * 3000 + "\n```\n\n| a | b |\n|---|---|\n| " + "z" * 500 + " | c |\n"
    study = make(sqlite, pairs=[headline(0, output=wide)])
    with Site(sqlite) as address:
        (token,) = links(sqlite, study, "one")
        for width, height in ((1440, 900), (900, 700), (390, 844), (320, 568)):
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(f"{address}/r/{token}")
            if page.get_by_role("button", name="Begin").count():
                page.get_by_role("button", name="Begin").click()
            boxes = page.evaluate(
                "[...document.querySelectorAll('.answer')].map(element => element.getBoundingClientRect().toJSON())"
            )
            assert (boxes[0]["top"] == boxes[1]["top"]) is (width >= 900)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing spills over"
            assert page.get_by_role("button", name="A is better").is_visible(), "in reach without scrolling"
            bottom = page.get_by_role("button", name="A is better").bounding_box()
            assert bottom is not None
            assert bottom["y"] + bottom["height"] <= height
            assert bottom["height"] >= 44
            page.close()


def test_in_another_sites_frame_it_works_without_cookies_where_that_site_may(sqlite: Store, browser: Browser) -> None:
    study = make(sqlite)
    (token,) = links(sqlite, study, "one")
    with framing() as outside:
        for frames, works in (((outside,), True), ((), False)):
            with Site(sqlite, SETTINGS._replace(frames=frames)) as address:
                context = browser.new_context()
                page = context.new_page()
                page.goto(f"{outside}/?{address}/r/{token}")
                frame = page.frame_locator("iframe")
                if works:
                    frame.get_by_role("button", name="Begin").click()
                    frame.get_by_role("button", name="About equal").click()
                    frame.get_by_text("Item 2 of 4").wait_for()
                else:
                    page.wait_for_load_state()
                    assert frame.get_by_text("Item").count() == 0
                assert context.cookies() == []
                context.close()
    assert len(votes_of(sqlite)) == 1


def test_mechanical_turks_frame_from_its_door_to_the_handing_in(sqlite: Store, browser: Browser) -> None:
    study = make(sqlite, pairs=[headline(0), headline(1)])
    door = door_token(SETTINGS.secret, study.id, time.time() + 3600)
    told = "assignmentId=3ASG1&hitId=3HIT1&workerId=A1&turkSubmitTo=https://workersandbox.mturk.com"
    handed_in: list[tuple[str, str | None]] = []

    def turk(route: Route) -> None:
        handed_in.append((route.request.url, route.request.post_data))
        route.fulfill(body="handed in", content_type="text/html")

    with framing() as outside, Site(sqlite, SETTINGS._replace(frames=(outside,))) as address:
        context = browser.new_context()
        context.route("https://workersandbox.mturk.com/**", turk)
        page = context.new_page()
        page.goto(f"{outside}/?{address}/mturk/{door}?{told.replace('3ASG1', 'ASSIGNMENT_ID_NOT_AVAILABLE')}")
        frame = page.frame_locator("iframe")
        frame.get_by_text("Accept the task to begin").wait_for()
        assert frame.get_by_role("button", name="Begin").count() == 0, "who only looks cannot begin"
        page.goto(f"{outside}/?{address}/mturk/{door}?{told}")
        frame.get_by_role("button", name="Begin").click()
        for _ in range(2):
            frame.get_by_role("button", name="B is better").click()
        frame.get_by_role("button", name="Hand in").click()
        frame.get_by_text("handed in").wait_for()
        assert context.cookies() == []
        context.close()
    ((where, sent),) = handed_in
    assert where == "https://workersandbox.mturk.com/mturk/externalSubmit"
    assert sent is not None
    assert "assignmentId=3ASG1" in sent
    assert len(votes_of(sqlite)) == 2


@contextmanager
def framing() -> Iterator[str]:
    """Another site that shows pages in a frame; its address."""
    server = http.server.ThreadingHTTPServer(("localhost", 0), Frame)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Frame(http.server.BaseHTTPRequestHandler):
    """Another site, which shows the address after the question mark in a frame."""

    def do_GET(self) -> None:
        body = f"<iframe width=800 height=600 src={json.dumps(self.path[2:])}></iframe>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
