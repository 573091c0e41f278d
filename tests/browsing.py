"""What tests ask of a page that is open in a browser."""

import time

SETTLED = """() => {
  const status = document.querySelector("#status").textContent;
  return status.startsWith("No image") || (!status.includes("counted") && document.querySelector("#team tr") !== null);
}"""


def settle(tab):
    """Wait until all is counted and drawn; the page forbids the evaluation that Playwright's own waiting needs."""
    end = time.monotonic() + 30
    tab.evaluate("new Promise((done) => setTimeout(done, 20))")  # what waits for the screen
    while not tab.evaluate(SETTLED):
        assert time.monotonic() < end, tab.text_content("#status")
        tab.wait_for_timeout(20)
    tab.evaluate("new Promise((done) => setTimeout(done, 20))")


def table_of(tab, name):
    """Texts of a table, row by row."""
    return tab.evaluate(
        "(name) => [...document.getElementById(name).rows].map((row) => [...row.cells].map((cell) => cell.textContent))",
        name,
    )
