// A login to where nothing answers: it is seen to be tried, cannot be tried twice, and ends in the cause and what to do.

import {args, assert, run} from "../browser.mjs";

await run(async (page) => {
  await page.getByRole("link", {name: "Clusters"}).click();
  const form = page.getByRole("region", {name: "Log in"});
  await form.getByLabel("Store", {exact: true}).fill("s3://bucket/sets");
  await form.getByRole("button", {name: "Log in", exact: true}).click();
  await form.getByRole("alert").getByText("“Access key id” is missing").waitFor(); // by its name here, not as an option
  await form.getByLabel("Endpoint").fill(args.endpoint);
  await form.getByLabel("Access key id").fill("AKIAEXAMPLE");
  await form.getByLabel("Secret access key").fill("secret");
  await form.getByRole("button", {name: "Log in", exact: true}).click();
  await form.getByRole("button", {name: "Logging in …"}).and(page.locator(":disabled")).waitFor();
  await form.getByText("a server that does not answer is given up").waitFor();
  await form.getByLabel("Endpoint").press("Enter"); // not a second time

  const alert = form.getByRole("alert").filter({hasNotText: "is missing"});
  await alert.waitFor({timeout: 60000});
  const [message, hint] = await alert.locator("p").allTextContents();
  assert(message.startsWith(`no answer from ${args.endpoint}`), message);
  assert(hint.includes("check the network"), hint);
  await form.getByRole("button", {name: "Log in", exact: true}).and(page.locator(":enabled")).waitFor();
  assert(await form.getByLabel("Endpoint").inputValue() === args.endpoint, "what was typed stays");
  assert(await page.getByRole("article").count() === 1, "nothing is saved");
});
