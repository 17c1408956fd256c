"""Drives a real browser, which all tests of a run share."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.support.processes import PATIENCE

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en"),
)
WIDE, NARROW = (1280, 860), (360, 740)


class Browser:
    """Debian's Chromium and its driver. Raises SkipTest if one of them is missing."""

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
        """Open a site, without cookies, storage or emulation from the one before."""
        self.driver.get("about:blank")
        self.run("Network.clearBrowserCookies")
        self.emulate(WIDE, "light")
        self.driver.get(url)
        self.script("localStorage.clear(); sessionStorage.clear()")
        self.driver.refresh()
        self.complaints()

    def show(self, route: str) -> None:
        """Open another view of the page, as a link would."""
        self.script("location.hash = arguments[0]", f"#/{route}")
        title = self.text("nav a[aria-current=page]")
        self.until(lambda: self.script("return document.title").startswith(title))

    def emulate(self, size: tuple[int, int], scheme: str, motion: str = "no-preference") -> None:
        """Emulate this window size, colour scheme and preference about motion."""
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
        """Run a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def until(self, holds: Callable[[], Any], what: str = "") -> Any:
        """Wait until `holds` returns something true, and return that."""
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
        """Wait for the first visible element that matches, and return it."""

        def visible() -> Any:
            return next((one for one in self.all(selector) if one.is_displayed()), None)

        return self.until(visible, selector)

    def text(self, selector: str) -> str:
        """Wait for the first visible element that matches, and return its text."""
        # The page may replace the element between these two steps.
        found: tuple[str] = self.until(lambda: (str(self.one(selector).text),), selector)
        return found[0]

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements that match now, SVG included."""
        found = "document.querySelectorAll(arguments[0])"
        return list(self.script(f"return Array.from({found}, (one) => one.textContent)", selector))

    def attributes(self, selector: str, name: str) -> list[str]:
        """Return this attribute of all elements that match now; empty if an element lacks it."""
        found = "document.querySelectorAll(arguments[0])"
        read = "(one) => one.getAttribute(arguments[1]) || ''"
        return list(self.script(f"return Array.from({found}, {read})", selector, name))

    def waitForText(self, selector: str, part: str) -> str:
        """Wait until the texts of the elements that match contain this, and return them."""
        self.until(lambda: part in " ".join(self.texts(selector)), f"{part!r} in {selector}")
        return " ".join(self.texts(selector))

    def click(self, selector: str) -> None:
        def done() -> bool:
            element = self.one(selector)
            # The header is sticky, and would take a click on what is beneath it.
            self.script("arguments[0].scrollIntoView({block: 'center'})", element)
            element.click()
            return True

        self.until(done, selector)

    def choose(self, selector: str, value: str) -> None:
        """Set the value of a select or a field, as a user would."""
        self.script(
            "arguments[0].value = arguments[1];"
            "for (const kind of ['input', 'change'])"
            "  arguments[0].dispatchEvent(new Event(kind, {bubbles: true}))",
            self.one(selector),
            value,
        )

    def press(self, *keys: str) -> None:
        """Send keys to the element that has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def complaints(self) -> list[str]:
        """Return the console's messages since the last call."""
        return [one["message"] for one in self.driver.get_log("browser")]

    def tabStops(self, most: int) -> Iterator[dict[str, Any]]:
        """Press Tab, and yield each element that gets the focus, and whether it shows that."""
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
    """Return the shared browser, which the first call starts."""
    return Browser()
