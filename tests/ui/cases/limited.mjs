// The limit of a session: shown, changed, kept by a pause, lifted.

import {args, assert, card, run, waitForState} from "../browser.mjs";

await run(async (page) => {
  await waitForState(page, args.name, "uploading");
  const session = card(page, args.name);
  const field = session.getByLabel("Limit in MiB a second");
  const shows = (value) => page.waitForFunction(([element, wanted]) => element.value === wanted, [handle, value]);
  const handle = await field.elementHandle();
  await session.getByText("limited to 2 MiB/s").waitFor();
  await shows("2");

  // Nothing is stored yet, but something goes on.
  await session.getByText(/^0 bytes of 48 MiB · \d.* MiB on the way/).waitFor();
  const bar = session.getByRole("progressbar", {name: "Progress"});
  const text = await bar.getAttribute("aria-valuetext");
  assert(/MiB on the way/.test(text), `what is read out: ${text}`);
  const ahead = await session.locator("progress.ahead").evaluate((e) => e.value);
  assert(ahead > 0 && ahead <= 48 * 2 ** 20, `${ahead} bytes are stored or on the way`);
  if (args.results) {
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({colorScheme: scheme});
      for (const width of [400, 1000]) {
        await page.setViewportSize({width, height: 900});
        await page.screenshot({path: `${args.results}/on-the-way-${width}-${scheme}.png`, fullPage: true});
      }
    }
  }
  await field.fill("1.5");
  await session.getByRole("button", {name: "Set"}).click();
  await session.getByText("limited to 1.5 MiB/s").waitFor();

  await session.getByRole("button", {name: "Pause"}).click();
  await session.locator(".chip", {hasText: "paused"}).waitFor();
  assert(await field.isHidden(), "what is paused sends nothing");
  await session.getByRole("button", {name: "Resume"}).click();
  await session.locator(".chip", {hasText: "uploading"}).waitFor();
  await session.getByText("limited to 1.5 MiB/s").waitFor();
  await shows("1.5");

  await field.fill("");
  await session.getByRole("button", {name: "Set"}).click();
  await session.locator(".chip", {hasText: "done"}).waitFor({timeout: 60000});
  return {};
});
