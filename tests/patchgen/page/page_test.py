"""Looks at the page of a report in headless Chromium, and clicks through it.

    page_test.py PATCHGEN CROWD [SCREENSHOTS]

CROWD is a folder with crowd0.dll (baseline), crowd1.dll (updated) and crowd2.dll (refused), see crowd.c. With
SCREENSHOTS, a folder, pictures of what was looked at are left there. Exit code 77: there is no Chromium.
"""

import os
import subprocess
import sys
import tempfile
import unittest

from devtools import Browser, find_browser

PATCHGEN, CROWD = sys.argv[1:3]
SCREENSHOTS = sys.argv[3] if len(sys.argv) > 3 else None
SCRIPT_NAME = "</script><script>window.pwned=1</script>"

# Contrast of text against what is behind it (WCAG 2, relative luminance), least of all that is shown.
CONTRAST = """(() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n.slice(0, 3), 1] : n; };
  const light = c => { const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; }
    return [255, 255, 255, 1]; };
  let least = [99, ""];
  const walker = document.createTreeWalker(document.getElementById("app"), NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest("svg") || !e.getClientRects().length) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0]) least = [ratio, e.className + ": " + node.data.slice(0, 40)];
  }
  return least;
})()"""


def create(folder, updated, *options):
    page = os.path.join(folder, updated + ".html")
    done = subprocess.run([PATCHGEN, "create", os.path.join(CROWD, "crowd0.dll"), os.path.join(CROWD, updated + ".dll"),
                           "-o", os.path.join(folder, "package.dll"), "--html", page, "--quiet", *options], check=False)
    return done.returncode, page


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.browser = Browser(find_browser())

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.folder.cleanup()

    def setUp(self):
        self.browser.problems.clear()
        self.browser.scheme("light")
        self.browser.size(1440, 1000)

    def tearDown(self):
        self.assertEqual(self.browser.run("typeof window.pwned"), "undefined", "a name of the image was run")
        self.assertEqual(self.browser.problems, [])

    def open(self, updated, code):
        exit_code, page = create(self.folder.name, updated)
        self.assertEqual(exit_code, code)
        self.browser.open(page)
        return page

    def text(self, selector):
        return self.browser.run(f"document.querySelector({selector!r})?.textContent")

    def count(self, selector):
        return self.browser.run(f"[...document.querySelectorAll({selector!r})].filter(e => e.getClientRects().length).length")

    def picture(self, name):
        if SCREENSHOTS:
            self.browser.screenshot(os.path.join(SCREENSHOTS, name + ".png"))

    def test_tells_of_a_package(self):
        self.open("crowd1", 0)
        self.assertEqual(self.text("#result"), "package written")
        self.assertEqual(self.text("#count"), "223 functions")
        self.assertEqual(self.browser.run("document.title"), "crowd0.dll \u2013 hotpatch report")
        self.picture("package")

    def test_tells_why_it_is_refused_and_what_to_do(self):
        self.open("crowd2", 4)
        self.assertEqual(self.text("#result"), "cannot be hotpatched")
        self.assertIn("data-initial-value-changed", self.text(".reason"))
        self.assertIn("limit", self.text(".reason li"))
        self.assertIn("What to do", self.text(".reason .todo"))
        self.assertEqual(self.count(".graph-tools"), 1)
        self.picture("refused")

    def test_is_written_where_nothing_changed(self):
        self.open("crowd0", 3)
        self.assertEqual(self.text("#result"), "no change")
        self.assertEqual(self.count("#list"), 0)

    def test_searches_by_key_and_word(self):
        self.open("crowd1", 0)
        self.browser.key("/", "/")
        self.assertEqual(self.browser.run("document.activeElement.id"), "search")
        self.browser.type("leaf_10")
        self.assertEqual(self.text("#count"), "10 of 223 functions")
        self.assertEqual(self.count("#list .item"), 10)
        self.browser.key("ArrowDown")
        self.assertEqual(self.text("#name"), "leaf_100")
        self.browser.key("ArrowDown")
        self.browser.key("ArrowDown")
        self.assertEqual(self.text("#name"), "leaf_102")
        self.assertEqual(self.text("#list [aria-selected=true] .name"), "leaf_102")
        self.assertEqual(self.browser.run("document.getElementById('list').getAttribute('aria-activedescendant')"),
                         self.browser.run("document.querySelector('#list [aria-selected=true]').id"))
        self.browser.key("/", "/")
        self.browser.key("Escape")
        self.assertEqual(self.text("#count"), "223 functions")

    def test_narrows_by_a_filter(self):
        # A jump's fill is chance: the test makes the second kind of site that the filter needs from the first.
        page = self.open("crowd1", 0)
        with open(page, encoding="utf-8") as file:
            content = file.read()
        other = os.path.join(self.folder.name, "two_kinds.html")
        with open(other, "w", encoding="utf-8") as file:
            file.write(content.replace('"site":"x64-prologue"', '"site":"x64-tail"', 5))
        self.browser.open(other)
        self.browser.click("[data-filter='x64-tail']")
        self.assertEqual(self.text("#count"), "5 of 223 functions")
        self.assertEqual(self.browser.run("document.querySelector('[data-filter=\"x64-tail\"]').getAttribute('aria-pressed')"), "true")
        self.browser.click("[data-filter='x64-tail']")
        self.assertEqual(self.text("#count"), "223 functions")

    def test_shows_both_sides_of_what_is_clicked(self):
        self.open("crowd1", 0)
        self.browser.key("/", "/")
        self.browser.type("middle_11")
        self.browser.click("#list .item")
        self.assertEqual(self.text("#name"), "middle_11")
        rows = self.browser.run("[...document.querySelectorAll('.row')].map(r => [r.className, ...[...r.children].map(c => c.textContent)])")
        self.assertTrue(any(row[0] == "row equal" and "call leaf_110" in row[1] and "call leaf_110" in row[2] for row in rows))
        self.assertTrue(any(row[0] != "row equal" for row in rows))
        self.browser.click(".row .cell:last-child a")  # the function that is called
        self.assertIn("leaf_11", self.text("#name"))
        self.picture("code")

    def test_follows_a_click_in_the_picture(self):
        self.open("crowd1", 0)
        self.browser.key("/", "/")
        self.browser.type("middle_12")
        self.browser.click("#list .item")
        self.assertEqual(self.text(".node.selected title").split(" ")[0], "middle_12")
        self.assertGreater(self.count(".edge.lit"), 3)
        self.browser.click(".node.change:not(.selected)")
        chosen = self.text("#name")
        self.assertNotEqual(chosen, "middle_12")
        self.assertTrue(self.text(".node.selected title").startswith(chosen))
        self.assertEqual(self.text("#list [aria-selected=true] .name") or chosen, chosen)
        self.browser.run("document.querySelector('.node.change:not(.selected)').focus()")
        self.browser.key("Enter", "\r")
        self.assertNotEqual(self.text("#name"), chosen)
        self.picture("graph")

    def test_draws_all_changed_functions_apart_from_each_other(self):
        self.open("crowd1", 0)
        self.browser.click(".graph-tools button")
        overlaps = self.browser.run("""(() => {
          const boxes = [...document.querySelectorAll(".node rect")].map(e => e.getBoundingClientRect());
          return [boxes.length, boxes.filter((a, i) => boxes.some((b, k) => k > i && a.left < b.right - 1 && b.left < a.right - 1 &&
            a.top < b.bottom - 1 && b.top < a.bottom - 1)).length]; })()""")
        self.assertGreaterEqual(overlaps[0], 223)
        self.assertEqual(overlaps[1], 0)
        self.picture("all")

    def test_names_that_try_to_get_out_stay_text(self):
        self.open("crowd1", 0)
        names = self.browser.run("[...document.querySelectorAll('#list .name')].slice(0, 3).map(e => e.textContent)")
        self.assertEqual(names, [SCRIPT_NAME, "<img src=x onerror=window.pwned=1>", "price\\u202eevil"])
        self.assertEqual(self.count("#app script, #app img"), 0)
        self.browser.click("#list .item")
        self.assertIn("</script><script>window.pwned=2</script>", self.text(".row.changed .cell:last-child"))

    def test_its_policy_lets_nothing_else_run(self):
        page = self.open("crowd1", 0)
        with open(page, encoding="utf-8") as file:
            content = file.read()
        other = os.path.join(self.folder.name, "forged.html")
        with open(other, "w", encoding="utf-8") as file:
            file.write(content.replace("</body>", "<script>window.pwned=4</script><img src=x onerror='window.pwned=5'></body>"))
        self.browser.open(other)
        self.assertEqual(self.text("#result"), "package written")
        self.assertTrue(any("Content Security Policy" in problem for problem in self.browser.problems))
        self.assertEqual(self.browser.run("typeof window.pwned"), "undefined")
        self.browser.problems.clear()

    def test_text_stands_out_in_light_and_dark(self):
        for updated, code in (("crowd1", 0), ("crowd2", 4)):
            for scheme in ("light", "dark"):
                self.browser.scheme(scheme)
                self.open(updated, code)
                least, where = self.browser.run(CONTRAST)
                self.assertGreaterEqual(least, 4.5, f"{scheme}: {where}")
        self.picture("dark")

    def test_fits_a_narrow_window(self):
        self.browser.size(390, 900)
        self.open("crowd1", 0)
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 390)
        self.picture("narrow")

    def test_needs_no_mouse(self):
        self.open("crowd1", 0)
        seen = []
        for _ in range(6):
            self.browser.key("Tab")
            seen.append(self.browser.run("document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))
        self.assertEqual(seen[:2], ["skip", "theme"])
        self.assertEqual(self.count("button:not([aria-label]):empty"), 0)
        self.browser.run("document.getElementById('list').focus()")
        self.browser.key("End")
        last = self.browser.run("[...document.querySelectorAll('#list .name')].pop().textContent")
        self.assertEqual(self.text("#name"), last)

    def test_is_the_same_each_time(self):
        _, page = create(self.folder.name, "crowd1")
        with open(page, "rb") as file:
            first = file.read()
        with tempfile.TemporaryDirectory() as elsewhere:
            _, page = create(elsewhere, "crowd1")
            with open(page, "rb") as file:
                self.assertEqual(first, file.read())
        self.assertNotIn(self.folder.name.encode(), first)


if __name__ == "__main__":
    if not find_browser():
        print("There is no Chromium: the page was not looked at. cmake/setup-debian.sh installs it.")
        sys.exit(1 if os.environ.get("CI") else 77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
