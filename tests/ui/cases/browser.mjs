// From the browser: a folder or file is dropped, or chosen, and uploaded; after a reload in the middle the same is
// chosen again.

import {args, assert, card, drop, run, waitForState} from "../browser.mjs";

async function choose(page) {
  await page.getByRole("link", {name: "New", exact: true}).click();
  await page.getByRole("link", {name: "From the browser"}).click();
  if (args.how === "drop") await drop(page, [args.path]);
  else await page.getByLabel(args.how === "file" ? "Choose a file of this browser" : "Choose a folder of this browser").setInputFiles(args.path);
  await page.locator(".chosen").getByText(args.counted).waitFor({timeout: 60000});
  await page.waitForFunction(() => document.querySelector("form input[required]").value !== "");
  const name = page.getByRole("textbox", {name: "Name"});
  const proposed = await name.inputValue();
  await name.fill(args.name);
  await page.getByRole("button", {name: "Create datastore"}).click();
  await page.waitForURL(/#\/sessions/);
  return proposed;
}

function served(page) {
  return page.evaluate(async () => ({...(await import("/drop.js")).served}));
}

async function done(page) {
  await waitForState(page, args.name, "done", args.patience ?? 120000);
}

await run(async (page, context) => {
  const seen = {};
  page.on("dialog", (dialog) => dialog.accept());
  seen.proposed = await choose(page);
  if (args.reload) {
    // Some of it is stored for certain, and not all.
    await page.waitForFunction((n) => Number(document.querySelector("article.session .figures")?.textContent.match(/(\d+) of \d+ files/)?.[1]) >= n, args.reload, {timeout: 60000});
    seen.before = await served(page);
    await page.reload();
    await page.getByText("The page with its files is closed").waitFor();
    await choose(page);
  }
  if (args.close) {
    await page.waitForFunction((n) => Number(document.querySelector("article.session .figures")?.textContent.match(/(\d+) of \d+ files/)?.[1]) >= n, args.close, {timeout: 60000});
    await page.close({runBeforeUnload: false});
    const other = await context.newPage();
    await other.goto(new URL("/#/sessions", args.url).href);
    await card(other, args.name).locator(".chip", {hasText: "paused"}).waitFor({timeout: 60000});
    await card(other, args.name).getByText("the page with its files was closed").waitFor();
    assert(await card(other, args.name).getByRole("button", {name: "Resume"}).isHidden(), "it cannot go on without its files");
    await choose(other);
    await done(other);
    seen.after = await served(other);
    return seen;
  }
  await done(page);
  seen.after = await served(page);
  await card(page, args.name).getByRole("link", {name: "Look at it"}).click();
  await page.getByText(args.source, {exact: true}).waitFor();
  return seen;
});
