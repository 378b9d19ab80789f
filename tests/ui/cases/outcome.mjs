// What a button has done stands near it and is read out once; meanwhile it says so and cannot be pressed again.

import {args, assert, run} from "../browser.mjs";

/** Everything that is read out of `region`, and all that its buttons have said, from now on. */
async function listen(region) {
  await region.evaluate((element) => {
    const heard = window.heard = [], buttons = window.buttons = new Set();
    const hear = (text) => { if (text && heard.at(-1) !== text) heard.push(text); };
    new MutationObserver(() => {
      for (const spoken of element.querySelectorAll("[role=status], [role=alert], [aria-live]")) hear(spoken.textContent);
      for (const b of element.querySelectorAll("button[aria-busy]")) buttons.add(`${b.textContent}${b.disabled ? "" : " (can be pressed)"}`);
    }).observe(element, {subtree: true, childList: true, characterData: true, attributes: true});
  });
}

const heard = (page) => page.evaluate(() => ({texts: window.heard, buttons: [...window.buttons]}));

/** Right below the buttons, and not glued to them. */
async function near(row, outcome) {
  const above = await row.boundingBox(), below = await outcome.boundingBox();
  const gap = below.y - (above.y + above.height);
  assert(gap >= 8 && gap <= 60, `${gap} px below the buttons`);
}

async function focused(page, pattern) {
  const text = await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  assert(pattern.test(text), `the focus is on ${text}`);
}

async function verification(page) {
  await page.getByRole("link", {name: args.name}).first().click();
  const region = page.getByRole("region", {name: "Verification"});
  for (const [button, words] of [["Verify", "All files are present"], ["Verify every byte", "Every byte is as it was uploaded."]]) {
    await region.getByRole("button", {name: button, exact: true}).focus();
    await listen(region);
    await page.keyboard.press("Enter");
    await region.getByText(words).waitFor();
    await region.getByRole("button", {name: button, exact: true}).and(page.locator(":enabled")).waitFor();
    const {texts, buttons} = await heard(page);
    assert(texts.length === 1 && texts[0].startsWith(words), JSON.stringify(texts));
    assert(JSON.stringify(buttons) === '["Verifying …"]', JSON.stringify(buttons));
    await near(region.locator(".row"), region.getByText(words));
    await focused(page, new RegExp(`^${button}$`));
  }
}

async function damage(page) {
  await page.evaluate((name) => { location.hash = `#/datastore/local/${name}/1`; }, args.damaged);
  const region = page.getByRole("region", {name: "Verification"});
  await page.getByRole("heading", {name: args.damaged}).waitFor();
  await region.getByRole("button", {name: "Verify", exact: true}).click();
  await region.getByText("1 file is damaged.").waitFor();
  await region.getByText("a.txt missing").waitFor();
}

async function clusters(page) {
  await page.getByRole("link", {name: "Clusters"}).click();
  const local = page.getByRole("article", {name: "local"}), other = page.getByRole("article", {name: args.other});
  await local.waitFor();
  await listen(local);
  await local.getByRole("button", {name: "Check"}).click();
  await local.getByText("All is well.").waitFor();
  await local.getByRole("button", {name: "Check"}).and(page.locator(":enabled")).waitFor();
  const {texts, buttons} = await heard(page);
  assert(JSON.stringify(texts) === '["Checking …","All is well."]', JSON.stringify(texts));
  assert(JSON.stringify(buttons) === '["Checking …"]', JSON.stringify(buttons));
  await near(local.locator(".row"), local.locator(".checks"));
  const last = await local.locator(".checks").boundingBox(), note = await local.getByText("All is well.").boundingBox();
  assert(note.y - (last.y + last.height) >= 8, "the result is glued to the list");

  await other.getByRole("button", {name: "Use it"}).focus();
  await page.keyboard.press("Enter");
  await other.getByText("current", {exact: true}).waitFor();
  await other.locator(".outcome").getByText(args.other).waitFor();
  await focused(page, new RegExp(`^${args.other}$`));
  await local.getByText("All is well.").waitFor(); // it still stands

  await other.getByRole("button", {name: "Forget …"}).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", {name: "Keep it"}).and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({state: "detached"});
  await focused(page, /^Forget …$/);
  await page.keyboard.press("Enter");
  await dialog.getByRole("button", {name: "Forget it"}).click();
  await other.waitFor({state: "detached"});
  await page.getByRole("status").getByText(args.other).waitFor();
}

await run(async (page) => {
  await verification(page);
  await damage(page);
  await clusters(page);
});
