// A source that is still gone over: what is found so far is said, running and paused.

import {args, assert, card, run} from "../browser.mjs";

await run(async (page) => {
  await page.evaluate(() => { location.hash = "#/sessions"; });
  const session = card(page, args.name);
  await session.locator(".figures", {hasText: /\d+ files? found/}).waitFor();
  const says = await session.locator(".figures").textContent();
  assert(!/ of \d+ files?/.test(says), `a part of no known whole: ${says}`);
  await session.getByRole("button", {name: "Pause"}).click();
  await session.locator(".chip", {hasText: "paused"}).waitFor();
  const paused = await session.locator(".figures").textContent();
  assert(!/ of \d+ files?/.test(paused) && !/scanning/.test(paused), paused);
  return {says, paused};
});
