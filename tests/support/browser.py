"""A headless Chromium for tests of written pages: what it asks for and complains about."""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SELENIUM = importlib.util.find_spec("selenium")


def needs_browser(test: Any) -> Any:
    """Mark a test that opens a page; it is skipped where there is no browser."""
    reason = "no browser here: apt-get install chromium chromium-driver, pip install selenium"
    missing = not (CHROMIUM and CHROMEDRIVER and SELENIUM)
    return pytest.mark.browser(pytest.mark.skipif(missing, reason=reason)(test))


# Tests may run as root, in a container.
_QUIET = "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run"
_QUIET += " --disable-background-networking --disable-component-update --disable-sync"


class Browser:
    """One Chromium window on one page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1100, dark: bool = False) -> None:
        """Load a file. Whatever was asked for and logged before is forgotten."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self.driver.get("about:blank")
        for kind in ("performance", "browser"):
            self.driver.get_log(kind)
        self.driver.get(page.resolve().as_uri())

    def command(self, name: str, **of: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, of)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript; ``return`` gives its value."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str, seconds: float = 8.0) -> None:
        """Wait until a JavaScript expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.02).until(lambda _: self.run(f"return {condition}"), condition)

    def find(self, selector: str) -> Any:
        """The first element that a CSS selector names."""
        return self.driver.find_element("css selector", selector)

    def requests(self) -> list[str]:
        """Addresses that the page asked for since it was opened, itself left out; data inside it are no requests."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        addresses = [request["request"]["url"] for request in sent if request.get("type") != "Document"]
        return [address for address in addresses if not address.startswith("data:")]

    def complaints(self) -> list[str]:
        """What the console shows: errors and warnings."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a Chromium with a fresh profile in a folder, and end it."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for word in (*_QUIET.split(), f"--user-data-dir={profile}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
