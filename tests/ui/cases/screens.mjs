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

/** Text that stands out too little from what is behind it (WCAG 2.2, 1.4.3); controls whose edge does (1.4.11). */
function faint() {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = (e) => {
    const colour = rgba(getComputedStyle(e).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, e.parentElement ? behind(e.parentElement) : [255, 255, 255, 1]);
  };
  const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const found = [];
  const look = (e, colour, ground, least) => {
    const is = ratio(over(rgba(colour), ground), ground);
    if (is < least) found.push(`${is.toFixed(2)} ${e.tagName} ${(e.textContent || e.getAttribute("aria-label") || e.placeholder || "").trim().slice(0, 40)}`);
  };
  for (const e of document.body.querySelectorAll("*")) {
    if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true}) || e.closest("svg, option, .visually-hidden, .skip, :disabled, .off")) continue;
    const hasText = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (hasText) look(e, getComputedStyle(e).color, behind(e), 4.5);
    if (e.placeholder) look(e, getComputedStyle(e, "::placeholder").color, behind(e), 4.5);
    if (e.matches("input:not([type=checkbox]):not([type=file]), select, textarea")) look(e, getComputedStyle(e).borderTopColor, behind(e.parentElement), 3);
  }
  return found;
}

/** One h1, and no level left out. */
function misleading() {
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter((e) => e.checkVisibility()).map((e) => Number(e.tagName[1]));
  return levels[0] !== 1 || levels.filter((l) => l === 1).length !== 1 || levels.some((l, i) => i > 0 && l > levels[i - 1] + 1) ? levels.join(" ") : "";
}

async function check(page, where) {
  const pale = await page.evaluate(faint);
  assert(pale.length === 0, `${where}: low in contrast: ${[...new Set(pale)].join("; ")}`);
  const levels = await page.evaluate(misleading);
  assert(!levels, `${where}: headings ${levels}`);
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
        await check(page, `${view} at ${width}, ${scheme}`);
        await page.screenshot({path: `${args.results}/${view}-${width}-${scheme}.png`, fullPage: true});
      }
    }
    await page.setViewportSize({width: 1000, height: 1000});
    if (!["datastore", "new-machine"].includes(view)) await tabThrough(page, view);
  }
});
