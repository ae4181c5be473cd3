// What a reviewer does, step by step.

export function check(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

const matches = async (page) => Number((await page.textContent(".matches b")).replaceAll(",", ""));
const go = async (page, query) => page.goto(new URL(`/?${query}`, page.url()).href);

export async function browse(page, known) {
  check((await matches(page)) === known.samples, "the gallery does not count all samples");
  await page.waitForSelector(".tile:not(.pending)");

  await page.getByRole("combobox", { name: "Any label" }).fill(known.classes[0]);
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.search.includes("label="));
  await page.waitForFunction((all) => Number(document.querySelector(".matches b")?.textContent.replaceAll(",", "") ?? all) < all, known.samples);
  const filtered = await matches(page);
  await page.reload();
  await page.waitForSelector(".matches b");
  check((await matches(page)) === filtered, "a filter does not come back from the address");
  await page.goBack();
  await page.waitForFunction((all) => Number(document.querySelector(".matches b")?.textContent.replaceAll(",", "")) === all, known.samples);

  await page.locator(".tile").first().focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".labels .label");
  check(page.url().includes("sample="), "the large view is not in the address");
  const first = await page.textContent(".large-bar .id");
  await page.keyboard.press("j");
  await page.waitForFunction((id) => document.querySelector(".large-bar .id")?.textContent !== id, first);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".tile:focus");
}

/** To the last row by one key, and back. */
export async function scrollThrough(page, known) {
  await page.keyboard.press("End");
  await page.waitForSelector(`.tile[data-index="${known.samples - 1}"]:not(.pending)`);
  await page.waitForSelector(`.tile[data-index="${known.samples - 1}"]:focus`);
  await page.keyboard.press("Home");
  await page.waitForSelector('.tile[data-index="0"]:focus');
}

export async function review(page, images) {
  await go(page, `view=queue&queue=random&n=${Math.max(images + 5, 12)}`);
  await page.evaluate(() => localStorage.removeItem("convert-view reviewer"));
  await page.reload();
  const begin = page.getByRole("button", { name: "Begin" });
  await begin.click();
  await page.getByLabel("Your name").fill("e2e");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  for (let k = 0; k < images; k++) {
    await page.waitForSelector(".labels .label.focused");
    const id = await page.textContent(".large-bar .id");
    const saved = page.waitForResponse((answer) => answer.url().endsWith("/api/reviews") && answer.request().method() === "POST");
    await page.keyboard.press(k % 2 === 0 ? "a" : "r");
    await page.waitForSelector(k % 2 === 0 ? ".label.focused.accepted, .label.focused.added" : ".label.focused.rejected");
    check((await saved).ok(), `a judgement was answered ${(await saved).status()}`);
    const completed = page.waitForResponse((answer) => answer.url().endsWith("/api/reviews") && answer.request().postDataJSON().action === "complete");
    await page.keyboard.press(k % 2 === 0 ? "Space" : "c");
    check((await completed).ok(), `completing was answered ${(await completed).status()}`);
    await page.waitForFunction((last) => document.querySelector(".large-bar .id")?.textContent !== last, id);
  }
  await undone(page);
}

/** One judgement and its undo; then one that is there after a reload. */
async function undone(page) {
  await page.waitForSelector(".labels .label.focused");
  const before = await page.getAttribute(".label.focused", "class");
  const posted = (action) => page.waitForResponse((answer) => answer.url().endsWith("/api/reviews") && answer.request().postDataJSON().action === action);
  let answer = posted("reject");
  await page.keyboard.press("r");
  check((await answer).ok(), "a rejection was not taken");
  await page.waitForSelector(".label.focused.rejected");
  answer = posted("undo");
  await page.keyboard.press("u");
  check((await answer).ok(), "an undo was not taken");
  await page.waitForFunction((classes) => document.querySelector(".label.focused")?.className === classes, before);
  // Held down, a key says one thing.
  let sent = 0;
  const counted = (request) => { if (request.url().endsWith("/api/reviews")) sent += 1; };
  page.on("request", counted);
  answer = posted("reject");
  await page.keyboard.down("r");
  await page.keyboard.down("r");
  await page.keyboard.up("r");
  await answer;
  await page.waitForTimeout(300);
  page.off("request", counted);
  check(sent === 1, `a key that was held down said ${sent} things`);
  await page.reload();
  await page.waitForSelector(".label.rejected");

  // The last word is taken back where it was said.
  const id = await page.textContent(".large-bar .id");
  answer = posted("accept");
  await page.keyboard.press("a");
  await answer;
  await page.keyboard.press("j");
  await page.waitForFunction((last) => document.querySelector(".large-bar .id")?.textContent !== last, id);
  await page.waitForSelector(".labels .label.focused");
  answer = posted("undo");
  await page.keyboard.press("u");
  check((await answer).ok(), "an undo on another image was not taken");
  await page.waitForFunction((last) => document.querySelector(".large-bar .id")?.textContent === last, id);
  await page.waitForSelector(".label.focused.rejected");
}

/** Nothing tells scores while they are hidden. */
export async function hidden(page, known) {
  await go(page, "view=gallery&blind=1&order=unsupported&unsupported=yes");
  await page.waitForSelector(".tile:not(.pending)");
  check((await matches(page)) === known.samples, "a filter by score applies while scores are hidden");
  check((await page.locator(".tile .p").count()) === 0, "a tile shows a score");
  const orders = await page.locator(".order select").first().locator("option").allTextContents();
  check(orders.join() === "Name,Random", `the orders are ${orders}`);
  check((await page.locator("nav a").allTextContents()).join() === "Gallery,Queue,Summary", "a page that tells scores is in sight");
  await go(page, "view=thresholds&blind=1");
  await page.getByRole("heading", { name: "Hidden" }).waitFor();
  await go(page, "view=gallery");
  await page.waitForSelector(".tile:not(.pending)");
}

/** A label that a queue asks about is there and in focus, even below the threshold. */
export async function asked(page) {
  const { entries } = await page.evaluate(async () => (await fetch("/api/queue?kind=near&n=12&who=nobody")).json());
  for (const { sample, class: index } of entries.slice(0, 6)) {
    await go(page, `view=queue&queue=near&n=12&sample=${sample}`);
    await page.waitForSelector(".labels .label.focused");
    const [why, name] = [await page.textContent(".queue-bar .why"), await page.textContent(".label.focused .name")];
    check(index === null || why.includes(name.trim()), `“${why}”, but ${name} is in focus`);
  }
}

/** Draws a box and accepts the first class that is offered. */
export async function annotate(page, known) {
  await go(page, "view=gallery&skipped=none");
  await page.waitForSelector(".tile:not(.pending)");
  await page.locator(".tile").first().click();
  await page.waitForSelector(".labels .label");
  await page.waitForFunction(() => !document.querySelector(".stage-note"));
  await page.keyboard.press("b");
  const { x, y, width, height } = await page.locator(".stage-canvas").boundingBox();
  await page.mouse.move(x + 0.4 * width, y + 0.4 * height);
  await page.mouse.down();
  await page.mouse.move(x + 0.6 * width, y + 0.6 * height, { steps: 4 });
  await page.mouse.up();
  await page.waitForSelector(".offer-classes button", { timeout: 120_000 });
  await page.keyboard.press("n");
  await page.getByRole("combobox", { name: "Another class" }).fill("a");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".drawing .picker", { state: "detached" });
  const name = await page.textContent(".offer-classes .name");
  check(known.classes.includes(name), `a class was offered that is none: ${name}`);
  const saved = page.waitForResponse((answer) => answer.url().endsWith("/api/reviews") && answer.request().postDataJSON().action === "add");
  await page.keyboard.press("1");
  check((await saved).ok(), `the drawn region was answered ${(await saved).status()}`);
  await page.waitForSelector(".regions .region:last-child >> text=drawn by e2e");
  await page.reload();
  await page.waitForSelector(".regions .region:last-child >> text=drawn by e2e");
}
