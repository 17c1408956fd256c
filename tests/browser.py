"""A real browser, one for all tests of a run, and what they ask of a page in it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.running import PATIENCE

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en"),
)
WIDE, NARROW = (1280, 860), (360, 740)


class Browser:
    """Debian's Chromium, steered by its own driver. Raises SkipTest where one is missing."""

    def __init__(self) -> None:
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if chromium is None or driver is None:
            raise SkipTest("chromium and chromedriver are not installed")
        try:
            from selenium import webdriver
            from selenium.webdriver.chrome.service import Service
            from selenium.webdriver.support.wait import WebDriverWait
        except ImportError:
            raise SkipTest("selenium is not installed") from None
        self._profile = tempfile.TemporaryDirectory()
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={self._profile.name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})  # type: ignore[no-untyped-call]
        self.driver: Any = webdriver.Chrome(options=options, service=Service(driver))
        self._wait = WebDriverWait(self.driver, PATIENCE, 0.05)
        atexit.register(self.close)

    def close(self) -> None:
        atexit.unregister(self.close)
        self.driver.quit()
        self._profile.cleanup()

    def enter(self, url: str) -> None:
        """Open a site, with nothing left from what was open before."""
        self.driver.get("about:blank")
        self.run("Network.clearBrowserCookies")
        self.emulate(WIDE, "light")
        self.driver.get(url)
        self.script("localStorage.clear(); sessionStorage.clear()")
        self.driver.refresh()
        self.complaints()

    def show(self, route: str) -> None:
        """Another view of the page that is open, as a link would open it."""
        self.script("location.hash = arguments[0]", f"#/{route}")
        title = self.text("nav a[aria-current=page]")
        self.until(lambda: self.script("return document.title").startswith(title))

    def emulate(self, size: tuple[int, int], scheme: str, motion: str = "no-preference") -> None:
        """Be as large as this, and like this scheme of colours."""
        width, height = size
        self.run(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        self.run(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in features.items()],
        )

    def run(self, command: str, **parameters: Any) -> Any:
        """One command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def until(self, holds: Callable[[], Any], what: str = "") -> Any:
        """What `holds` returns, once that is true."""
        from selenium.common.exceptions import (
            NoSuchElementException,
            StaleElementReferenceException,
            TimeoutException,
        )

        gone = (StaleElementReferenceException, NoSuchElementException)
        wait = type(self._wait)(self.driver, PATIENCE, 0.05, gone)
        try:
            return wait.until(lambda _: holds())
        except TimeoutException:
            shown = self.driver.find_element("tag name", "body").text
            raise AssertionError(f"{what or 'it'} did not come; the page shows:\n{shown}") from None

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        """The first such element, once it is there and can be seen."""

        def visible() -> Any:
            return next((one for one in self.all(selector) if one.is_displayed()), None)

        return self.until(visible, selector)

    def text(self, selector: str) -> str:
        """What such an element says, once it is there."""
        # It may be drawn anew between the two.
        said: tuple[str] = self.until(lambda: (str(self.one(selector).text),), selector)
        return said[0]

    def texts(self, selector: str) -> list[str]:
        """What all of them say now, drawn ones too."""
        found = "document.querySelectorAll(arguments[0])"
        return list(self.script(f"return Array.from({found}, (one) => one.textContent)", selector))

    def attributes(self, selector: str, name: str) -> list[str]:
        """The same of each one's attribute, which is empty where there is none."""
        found = "document.querySelectorAll(arguments[0])"
        read = "(one) => one.getAttribute(arguments[1]) || ''"
        return list(self.script(f"return Array.from({found}, {read})", selector, name))

    def waitForText(self, selector: str, part: str) -> str:
        """The same, once that has this in it."""
        self.until(lambda: part in " ".join(self.texts(selector)), f"{part!r} in {selector}")
        return " ".join(self.texts(selector))

    def click(self, selector: str) -> None:
        def done() -> bool:
            self.one(selector).click()
            return True

        self.until(done, selector)

    def choose(self, selector: str, value: str) -> None:
        """Of a list of options the one with this value, or of a field what is in it."""
        self.script(
            "arguments[0].value = arguments[1];"
            "for (const kind of ['input', 'change'])"
            "  arguments[0].dispatchEvent(new Event(kind, {bubbles: true}))",
            self.one(selector),
            value,
        )

    def press(self, *keys: str) -> None:
        """Keys, at whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def complaints(self) -> list[str]:
        """What the console was told since the last call."""
        return [one["message"] for one in self.driver.get_log("browser")]

    def tabStops(self, most: int) -> Iterator[dict[str, Any]]:
        """What Tab goes to, from where the focus is: its name, and whether that shows."""
        for _ in range(most):
            self.press("\ue004")
            yield self.script(
                """
                const at = document.activeElement;
                const near = at.closest("tr, .pill") ?? at;
                const style = getComputedStyle(near);
                return {
                  tag: at.tagName, text: at.textContent.trim().slice(0, 40), name: at.name ?? "",
                  href: at.getAttribute("href") ?? "",
                  shows: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
                  inView: near.getBoundingClientRect().width > 0,
                };
                """
            )


@cache
def browser() -> Browser:
    """Started when the first test asks for it."""
    return Browser()
