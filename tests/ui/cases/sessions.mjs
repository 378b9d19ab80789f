// Sessions: one that was begun in a terminal shows up; pause, resume, the log, giving up.

import {args, assert, card, run, waitForState} from "../browser.mjs";

await run(async (page) => {
  await waitForState(page, args.name, "uploading");
  const session = card(page, args.name);
  await session.getByText(args.source).waitFor();
  await session.getByRole("list", {name: "Files in flight"}).getByText("large").first().waitFor();
  assert(await page.locator("#running").textContent() === "1 running", "the number of those that run stands above");
  const before = await session.getByRole("progressbar", {name: "Progress"}).getAttribute("max");
  assert(Number(before) > 0, "the size is known");

  await session.getByRole("button", {name: "Pause"}).click();
  await session.locator(".chip", {hasText: "paused"}).waitFor();
  await session.getByText("Paused, as was asked").waitFor();
  assert(await session.getByText(/asked to stop|Pausing/).count() === 0, "what it was told as a program is not shown");
  assert(await session.getByRole("button", {name: "Pause"}).isHidden(), "what is paused cannot be paused");

  // The list of datastores tells of it, too, without asking the store.
  await page.getByRole("link", {name: "Datastores"}).click();
  await page.getByRole("row", {name: args.name}).getByText("interrupted").waitFor();

  await page.getByRole("link", {name: /^Sessions/}).click();
  if (args.giveUp) {
    await session.getByRole("button", {name: "Stop for good …"}).click();
    await page.getByRole("dialog").getByRole("button", {name: "Give it up"}).click();
    await session.waitFor({state: "detached"});
    return {};
  }
  await session.getByRole("button", {name: "Resume"}).click();
  await session.locator(".chip", {hasText: "done"}).waitFor({timeout: 60000});
  await session.getByText("Log", {exact: true}).click();
  await session.getByLabel("Log").getByText("published").first().waitFor();
  await page.getByRole("link", {name: "Datastores"}).click();
  await page.getByRole("row", {name: args.name}).getByText("succeeded").waitFor();
  return {};
});
