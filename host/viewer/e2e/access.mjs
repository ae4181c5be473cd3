// Every page is looked at by axe; serious and critical findings count, and so does anything wider than the screen.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { check } from "./steps.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function checkAccess(page, known, shoot) {
  // Scripts of the browser's driver run beside the page's security policy, which forbids inline ones.
  await page.context().addInitScript({ content: axe });
  await page.evaluate(() => localStorage.setItem("convert-view reviewer", "e2e"));
  const views = {
    gallery: "view=gallery", filtered: "view=gallery&label=0&order=near", large: "view=gallery&sample=0", classes: "view=classes", class: "view=class&class=0",
    pairs: "view=pairs", thresholds: "view=thresholds", summary: "view=summary", "queue-start": "view=queue",
    ...(!known.read_only && { queue: "view=queue&queue=random&n=12", blind: "view=queue&queue=random&n=12&blind=1" }),
  };
  for (const [name, query] of Object.entries(views)) {
    await page.goto(new URL(`/?${query}`, page.url()).href);
    await settled(page);
    await inspect(page, name);
    await shoot(name);
  }
  await page.goto(new URL("/?view=gallery", page.url()).href);
  await settled(page);
  await page.keyboard.press("?");
  await page.waitForSelector("dialog.help[open]");
  await inspect(page, "help");
  await shoot("help");
}

async function settled(page) {
  await page.waitForSelector("main#main");
  await page.waitForFunction(() => !document.querySelector(".waiting, [aria-busy=true], .tile.pending"));
  await page.waitForTimeout(200);
}

async function inspect(page, name) {
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join("; ")}`);
  });
  check(found.length === 0, `axe on ${name}: ${found.join(" | ")}`);
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(tooWide <= 0, `${name} is ${tooWide} pixels wider than the screen`);
}
