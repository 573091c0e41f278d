"""The atlas page of a zoo of the hub's size: its size, how long it takes to write, to open, to count and to move in.

The zoo is synthetic, with the common difficulty of images that real zoos have (compare_models.py). The page is opened from
a file in headless Chromium with the network off. Run from the repository's root: python benchmarks/atlas_page.py
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from compare_models import CLASSES, make_zoo
from playwright.sync_api import sync_playwright

from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.page.atlas import OF_PAIRS, build_page

# milliseconds from a call to the next picture, the median of many calls on models all over the zoo
MOMENT = """async (what) => {
  const times = [];
  for (let number = 0; number < 30; number += 1) {
    const model = (number * 61) % rows.length, start = performance.now();
    if (what === "click") choose({ student: model });
    else { Object.assign(view, { scale: 8, x: 20 * number, y: 15 * number }); showMatrix(); }
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[15];
}"""
DONE = "() => matrix.done && document.querySelector('#team tr') !== null"


def wait(tab, condition):
    """Seconds until the page says that a condition holds; it forbids the evaluation that Playwright's own waiting needs."""
    start = time.perf_counter()
    while not tab.evaluate(condition):
        time.sleep(0.02)
    return time.perf_counter() - start


def megabytes_of_tabs():
    """Resident memory of the processes that show pages."""
    pages = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (process / "cmdline").read_bytes():
                pages += int((process / "statm").read_text().split()[1])
        except OSError:
            continue  # it has ended
    return pages * 4096 / 1e6


def measure(path):
    """Print how the page behaves in a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        before = megabytes_of_tabs()
        tab = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
        start = time.perf_counter()
        tab.goto(path.as_uri(), wait_until="commit")
        shown = wait(tab, "document.querySelector('#pair tr') !== null")
        counted = time.perf_counter() - start + wait(tab, DONE)
        painted = tab.evaluate("performance.getEntriesByType('paint').at(-1).startTime")
        print(f"first paint {painted / 1000:.1f} s, first pair {shown:.1f} s, matrix of all pairs {counted:.1f} s")
        click, move = (tab.evaluate(MOMENT, what) for what in ("click", "move"))
        print(f"click on a model {click:.0f} ms, a step of moving {move:.0f} ms (medians of 30)")
        tab.evaluate("choose({ classes: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }, true)")
        print(f"all pairs of ten classes, counted in the page: {wait(tab, DONE):.1f} s")
        tab.evaluate("choose({ classes: [], least: 1 }, true)")
        print(f"all pairs of the images that a model knows, counted in the page: {wait(tab, DONE):.1f} s")
        print(f"memory of the tab {megabytes_of_tabs() - before:.0f} MB")
        browser.close()


def main():
    """Print what docs/benchmarks.md says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1826)
    models = parser.parse_args().models
    labels, predictions, confidences = make_zoo(models)
    names = [f"model{number:04d}.t" for number in range(models)]
    predicted = ZooPredictions(names, labels, predictions, confidences)
    classes = pd.DataFrame({"class": range(CLASSES), "name": [f"class {number}" for number in range(CLASSES)]})
    described = pd.DataFrame({"model": names, "family": "convolution", "parameters": 25_000_000})
    pairs = compare_models(predicted)[OF_PAIRS]
    start = time.perf_counter()
    page = build_page("hub", predicted, classes.assign(images=np.bincount(labels)), described, pairs)
    print(f"{models:,} models: written in {time.perf_counter() - start:.0f} s, {len(page) / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "atlas.html"
        path.write_text(page)
        measure(path)


if __name__ == "__main__":
    main()
