// A case is run as `node CASE.mjs '{"url":...}'`: it drives the real page in Debian's Chromium
// and prints what it has seen as one line of JSON.  A throw is a failure.

import {createRequire} from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.GRID_UI_MODULES, "package.json"));
const {chromium} = require("playwright-core");

export const args = JSON.parse(process.argv[2] ?? "{}");

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

export async function open(options = {}) {
  const browser = await chromium.launch({executablePath: process.env.GRID_CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"]});
  const context = await browser.newContext({viewport: {width: 1000, height: 900}, acceptDownloads: true, ...options});
  const page = await context.newPage();
  page.troubles = [];
  page.on("pageerror", (e) => page.troubles.push(e.stack));
  page.on("console", (m) => { if (m.type() === "error") page.troubles.push(m.text()); });
  page.setDefaultTimeout(30000);
  return {browser, context, page};
}

/** A page that is logged in; what a story expects of trouble it takes out of page.troubles. */
export async function run(story, options) {
  const {browser, context, page} = await open(options);
  try {
    await page.goto(args.url);
    const seen = await story(page, context);
    assert(page.troubles.length === 0, `the page has told of trouble: ${page.troubles.join("\n")}`);
    console.log(JSON.stringify(seen ?? {}));
  } catch (error) {
    const at = args.results && path.join(args.results, `failed-${path.basename(process.argv[1], ".mjs")}.png`);
    if (at) await context.pages().at(-1)?.screenshot({path: at, fullPage: true}).catch(() => {});
    console.error(error.stack, at ? `\nthe page as it was: ${at}` : "", `\n${page.troubles.join("\n")}`);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** A real drag of what lies on the disk, or of other items. */
export async function drop(page, paths, selector = ".dropzone", items = []) {
  const box = await page.locator(selector).boundingBox();
  const devtools = await page.context().newCDPSession(page);
  const event = {x: box.x + box.width / 2, y: box.y + box.height / 4, data: {items, files: paths, dragOperationsMask: 1}};
  for (const type of ["dragEnter", "dragOver", "drop"]) await devtools.send("Input.dispatchDragEvent", {type, ...event});
}

/** The card of a session. */
export function card(page, name) {
  return page.locator("article.session", {has: page.locator("h2", {hasText: name})});
}

export async function waitForState(page, name, word, timeout = 120000) {
  await page.evaluate(() => { location.hash = "#/sessions"; });
  await card(page, name).locator(".chip", {hasText: word}).waitFor({timeout});
}
