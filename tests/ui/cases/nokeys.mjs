// A cluster that cannot be asked: that is said, and not that there is nothing; from there the way leads to what is wrong.

import {args, assert, run} from "../browser.mjs";

await run(async (page) => {
  const problem = page.getByRole("alert").filter({hasText: `no credentials for cluster ${args.cluster}`});
  await problem.waitFor();
  assert(await page.getByText("There are no datastores yet").isHidden(), "it is not known that there are none");
  await page.getByRole("link", {name: "Check the cluster"}).click();
  const card = page.getByRole("article", {name: args.cluster});
  await card.getByText("none: log in").waitFor();
  await card.getByRole("button", {name: "Check"}).click();
  await card.getByText("Something is to be done: what is marked with ! above.").waitFor();
  await card.getByText("credentials fails: no credentials").waitFor();
});
