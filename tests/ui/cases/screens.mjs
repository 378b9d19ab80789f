// Every view at three widths, light and dark, kept as pictures; what can be measured is: nothing is cut off, and
// everything that can be operated has a name and can be reached by the keyboard.

import {args, assert, run} from "../browser.mjs";

const VIEWS = {
  sessions: "#/sessions",
  datastores: "#/datastores",
  datastore: `#/datastore/local/${args.name}/1`,
  "new-machine": "#/new",
  "new-browser": "#/new/browser",
  "new-url": "#/new/url",
  clusters: "#/clusters",
};

const OPERABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary";

async function ready(page, view) {
  await page.getByRole("heading", {level: 1}).waitFor();
  if (view === "datastores") await page.getByRole("row", {name: args.name}).first().waitFor();
  if (view === "datastore") await page.getByText(/entr(y|ies) shown/).waitFor();
  if (view === "new-machine") await page.getByRole("list", {name: "What is in it"}).getByRole("link").first().waitFor();
  if (view === "sessions") {
    await page.locator("article.session .flight li").first().waitFor();
    await page.locator("article.session .graph").first().waitFor();
  }
  if (view === "clusters") await page.getByRole("button", {name: "Check"}).first().waitFor();
}

async function check(page, where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert(wide <= 0, `${where}: ${wide} px wider than the window`);
  const nameless = await page.locator(OPERABLE).evaluateAll((all) => all
    .filter((e) => e.checkVisibility())
    .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length || e.getAttribute("alt")))
    .map((e) => e.outerHTML.slice(0, 120)));
  assert(nameless.length === 0, `${where}: without a name: ${nameless.join(", ")}`);
}

/** Everything that can be operated is reached by Tab. */
async function tabThrough(page, where, attempts = 3) {
  const wanted = await page.locator(OPERABLE).evaluateAll((all) => all.filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0).length);
  await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); window.reached = new Set(); });
  for (let i = 0; i < wanted + 12; i++) {
    await page.keyboard.press("Tab");
    await page.evaluate(() => window.reached.add(document.activeElement));
  }
  const missed = await page.locator(OPERABLE).evaluateAll((all) => all
    .filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && !window.reached.has(e)).map((e) => e.outerHTML.slice(0, 120)));
  if (missed.length > 0 && attempts > 1) return tabThrough(page, where, attempts - 1); // a row has changed meanwhile
  assert(missed.length === 0, `${where}: not reached by Tab: ${missed.join(", ")}`);
}

await run(async (page) => {
  for (const [view, hash] of Object.entries(VIEWS)) {
    await page.evaluate((h) => { location.hash = h; }, hash);
    await ready(page, view);
    for (const width of [400, 1000, 2000]) {
      await page.setViewportSize({width, height: width === 400 ? 800 : 1000});
      for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({colorScheme: scheme});
        await check(page, `${view} at ${width}`);
        await page.screenshot({path: `${args.results}/${view}-${width}-${scheme}.png`, fullPage: true});
      }
    }
    await page.setViewportSize({width: 1000, height: 1000});
    if (!["datastore", "new-machine"].includes(view)) await tabThrough(page, view);
  }
});
