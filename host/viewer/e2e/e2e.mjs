// Drives the page against a running `convert view`, by keyboard where a reviewer would:
//   node e2e/e2e.mjs 'http://127.0.0.1:PORT/?token=…' [--samples N] [--review N] [--chromium PATH] [--screenshots DIR]
// It writes reviews into the run that it looks at. Says one line and exits with 1 when something is not as it should be.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { checkAccess } from "./access.mjs";
import { annotate, asked, browse, check, hidden, review, scrollThrough } from "./steps.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    samples: { type: "string" },
    review: { type: "string", default: "3" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    screenshots: { type: "string" },
  },
});
const address = positionals[0];
if (!address) {
  console.error("e2e: the address that `convert view` printed is needed");
  process.exit(2);
}

const browser = await chromium.launch({ executablePath: values.chromium, args: ["--no-sandbox"] });
const problems = [];

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, colorScheme: "light", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => problems.push(`the page failed: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy/.test(message.text())) problems.push(message.text());
  });
  await page.goto(address);
  await page.waitForSelector(".matches b", { timeout: 120_000 });
  return page;
}

async function run() {
  const stranger = await (await browser.newContext()).newPage();
  const answer = await stranger.goto(new URL("/api/run", address).href);
  check(answer.status() === 401, `a browser without the token got ${answer.status()} and not 401`);

  const page = await open();
  check(!page.url().includes("token"), "the token stayed in the address");
  const known = await page.evaluate(async () => (await fetch("/api/run")).json());
  if (values.samples) check(known.samples === Number(values.samples), `there are ${known.samples} samples and not ${values.samples}`);
  await browse(page, known);
  await scrollThrough(page, known);
  await hidden(page, known);
  if (!known.read_only) {
    await review(page, Number(values.review));
    await asked(page);
    if (known.predict) await annotate(page, known);
  }
  await page.context().close();

  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [{ width: 1400, height: 900 }, { width: 390, height: 844 }]) {
      const looking = await open({ colorScheme, viewport, hasTouch: viewport.width < 500 });
      await checkAccess(looking, known, async (name) => {
        if (!values.screenshots) return;
        mkdirSync(values.screenshots, { recursive: true });
        await looking.screenshot({ path: join(values.screenshots, `${name}-${colorScheme}-${viewport.width}.png`) });
      });
      await looking.context().close();
    }
  }
  check(problems.length === 0, problems[0]);
}

try {
  await run();
  console.log("e2e: the page does what it should");
} catch (error) {
  const where = String(error.stack).split("\n").find((line) => line.includes("/e2e/"))?.trim() ?? "";
  console.error(`e2e: ${String(error.message ?? error).split("\n")[0]} ${where}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
