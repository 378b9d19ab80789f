// A session whose version was deleted since: that is said, and no link leads there.

import {args, assert, card, run} from "../browser.mjs";

await run(async (page) => {
  const version = (n) => page.getByRole("article", {name: `${args.name} version ${n}`});
  await page.evaluate(() => { location.hash = "#/sessions"; });
  await version(1).getByText("This version was deleted since.").waitFor();
  assert(await version(1).getByRole("link").count() === 0, "no link leads to what is gone");
  await version(2).getByRole("link", {name: "Look at it"}).click();
  await page.getByRole("button", {name: "Delete …"}).click();
  await page.getByRole("dialog").getByRole("textbox").fill(args.name);
  await page.getByRole("dialog").getByRole("button", {name: "Delete", exact: true}).click();
  await page.waitForURL(/#\/datastores$/);
  await page.getByRole("link", {name: /^Sessions/}).click();
  await card(page, args.name).last().getByText("This version was deleted since.").waitFor();
  await version(2).getByText("This version was deleted since.").waitFor();
});
