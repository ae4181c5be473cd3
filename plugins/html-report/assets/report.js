"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const grid = document.getElementById("grid");
  if (!grid) return;
  const form = document.getElementById("filters");
  const namespace = document.getElementById("svg").namespaceURI;
  const colours = ["#2f7bf6", "#f59f0b", "#12b886", "#e64980", "#9b5de5", "#15aabf", "#94c11f", "#fa5252", "#c2884f", "#f783ac"];
  const nameOf = (index) => data.classes[index] ?? "class " + index;
  const text = (probability) => probability.toFixed(2);
  const byName = new Intl.Collator("en", { numeric: true }).compare;

  // Names go into the page as text only: nothing here parses HTML.
  const make = (tag, className, content) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (content !== undefined) element.textContent = content;
    return element;
  };
  const draw = (tag, attributes) => {
    const element = document.createElementNS(namespace, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  // What an image shows: its labels above the threshold, each with the colour and the best mask of its class.
  let threshold = data.threshold;
  const look = (image) => {
    const truth = image.truth && new Set(image.truth);
    const masked = [...new Set(image.masks.map((mask) => mask.top[0]?.[0]))];
    const order = [...image.labels.map((label) => label[0]).filter((index) => masked.includes(index)), ...masked];
    image.colour = new Map([...new Set(order)].map((index, place) => [index, colours[place % colours.length]]));
    image.shown = image.labels.filter((label) => label[1] > threshold);
    image.shown.sort((a, b) => (b[0] === image.given) - (a[0] === image.given) || b[1] - a[1]);
    const shown = new Set(image.shown.map((label) => label[0]));
    image.best = new Map();
    image.masks.forEach((mask, place) => {
      const index = mask.top[0]?.[0];
      if (shown.has(index) && !image.best.has(index)) image.best.set(index, place);
    });
    image.missed = truth ? image.truth.filter((index) => !shown.has(index)) : [];
    image.mistaken = truth ? image.missed.length > 0 || image.shown.some((label) => !truth.has(label[0])) : false;
    image.isTrue = (index) => truth && truth.has(index);
    image.all = new Set([image.given, ...shown, ...(image.truth ?? [])]);
    image.card = undefined;
  };
  data.images.forEach(look);

  const picture = (image) => {
    const [width, height] = image.view;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "picture", role: "img" });
    svg.setAttribute("aria-label", image.id);
    svg.append(draw("image", { href: image.image, width, height, preserveAspectRatio: "none" }));
    svg.masks = image.masks.map((mask, place) => {
      const index = mask.top[0]?.[0];
      const extra = image.best.get(index) === place ? "" : " extra";
      const path = draw("path", { d: mask.path, class: "mask" + extra, "fill-rule": "evenodd" });
      path.style.setProperty("--colour", image.colour.get(index));
      return path;
    });
    // large masks below small ones, so that every outline stays visible
    const below = image.masks.map((mask, place) => place).sort((a, b) => image.masks[b].share - image.masks[a].share);
    svg.append(...below.map((place) => svg.masks[place]));
    return svg;
  };

  const light = (svg, places, on) => {
    svg.classList.toggle("focus", on);
    for (const place of places) svg.masks[place]?.classList.toggle("lit", on);
  };
  const linkTo = (element, svg, places) => {
    for (const event of ["pointerenter", "focus"]) element.addEventListener(event, () => light(svg, places, true));
    for (const event of ["pointerleave", "blur"]) element.addEventListener(event, () => light(svg, places, false));
  };

  const chip = (image, [index, probability], svg) => {
    const place = image.best.get(index);
    const element = make(place === undefined ? "span" : "button", "chip");
    if (place === undefined) {
      element.title = "no mask of this class";
    } else {
      element.type = "button";
      element.setAttribute("aria-pressed", "true");
      element.style.setProperty("--colour", image.colour.get(index));
      linkTo(element, svg, [place]);
      element.addEventListener("click", () => {
        const off = svg.masks[place].classList.toggle("off");
        element.setAttribute("aria-pressed", String(!off));
        if (off) light(svg, [place], false);
      });
    }
    const name = make("span", "name", nameOf(index));
    name.title = nameOf(index);
    element.append(make("i", place === undefined ? "swatch none" : "swatch"), name);
    if (index === image.given) element.append(make("span", "tag", "given"));
    element.append(make("span", "p", text(probability)));
    if (image.truth) element.append(image.isTrue(index) ? make("span", "mark right", "✓") : make("span", "mark wrong", "✕"));
    return element;
  };

  const chips = (image, svg) => {
    const list = make("div", "chips");
    list.append(...image.shown.map((label) => chip(image, label, svg)));
    if (!image.shown.some((label) => label[0] === image.given)) {
      const given = make("span", "chip absent");
      given.append(make("span", "name", nameOf(image.given)), make("span", "tag", "given"));
      given.title = "the original label is not among the labels";
      list.append(given);
    }
    for (const index of image.missed) {
      if (index === image.given) continue;
      const missed = make("span", "chip missed");
      missed.append(make("span", "name", nameOf(index)));
      missed.title = "in the image, but not among the labels";
      list.append(missed);
    }
    return list;
  };

  const makeCard = (image) => {
    const card = make("article", "card");
    const open = make("button", "open");
    open.type = "button";
    open.setAttribute("aria-label", "Show larger: " + image.id);
    const svg = picture(image);
    open.append(svg);
    open.addEventListener("click", () => view(image));
    const about = make("div", "about");
    const file = make("div", "file");
    const name = make("span", "name", image.id);
    name.title = image.id;
    file.append(name, make("span", "", image.masks.length + image.hidden_masks === 1 ? "1 mask" : image.masks.length + image.hidden_masks + " masks"));
    about.append(chips(image, svg), file);
    card.append(open, about);
    return card;
  };

  // Filters.
  const classes = document.getElementById("class");
  const present = new Map();
  for (const image of data.images) for (const index of image.all) present.set(index, (present.get(index) ?? 0) + 1);
  for (const index of Object.keys(data.classes).map(Number).sort((a, b) => byName(nameOf(a), nameOf(b)))) {
    classes.append(new Option(`${nameOf(index)} (${present.get(index) ?? 0})`, index));
  }
  let visible = [];
  const update = () => {
    const chosen = new FormData(form).get("count");
    const mistakes = document.getElementById("mistakes")?.checked;
    const wanted = document.getElementById("find").value.trim().toLowerCase();
    const passes = (image) =>
      (classes.value === "" || image.all.has(Number(classes.value))) &&
      (chosen === "all" || (chosen === "4" ? image.shown.length >= 4 : image.shown.length === Number(chosen))) &&
      (!mistakes || image.mistaken) &&
      image.id.toLowerCase().includes(wanted);
    const before = document.getElementById("sort").value === "id" ? (a, b) => byName(a.id, b.id) : (a, b) => b.added - a.added || byName(a.id, b.id);
    visible = data.images.filter(passes).sort(before);
    grid.replaceChildren(...visible.map((image) => (image.card ??= makeCard(image))));
    document.getElementById("nothing").hidden = visible.length > 0;
    document.getElementById("shown").textContent = `${visible.length} of ${data.images.length} shown`;
    const masks = document.getElementById("masks").value;
    document.body.classList.toggle("no-masks", masks === "none");
    document.body.classList.toggle("all-masks", masks === "all");
  };
  form.addEventListener("change", update);
  document.getElementById("find").addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());

  // One image, larger, with all its masks.
  const viewer = document.getElementById("viewer");
  let current = 0;
  const row = (image, mask, place, svg) => {
    const [index, probability] = mask.top[0] ?? [-1, 0];
    const item = make("li");
    const element = make("button", "row");
    element.type = "button";
    const extra = svg.masks[place].classList.contains("extra");
    element.setAttribute("aria-pressed", String(!extra));
    element.style.setProperty("--colour", image.colour.get(index));
    const facts = [mask.source, `${(mask.share * 100).toFixed(0)}% of the image`];
    if (mask.trained) facts.push("trained on");
    const others = mask.top.slice(1).filter((score) => score[1] >= 0.01).map((score) => `${nameOf(score[0])} ${text(score[1])}`);
    element.append(make("i", "swatch"), make("span", "name", nameOf(index)), make("span", "p", text(probability)), make("span", "under-row", facts.join(" · ")));
    if (others.length) element.append(make("span", "under-row", "or " + others.join(", ")));
    linkTo(element, svg, [place]);
    element.addEventListener("click", () => {
      const hidden = svg.masks[place].classList.toggle("extra");
      element.setAttribute("aria-pressed", String(!hidden));
      light(svg, [place], !hidden);
    });
    item.append(element);
    return item;
  };
  const view = (image) => {
    current = Math.max(0, visible.indexOf(image));
    const svg = picture(image);
    document.getElementById("viewer-stage").replaceChildren(svg);
    document.getElementById("viewer-place").textContent = `${current + 1} of ${visible.length}`;
    const side = document.getElementById("viewer-text");
    const facts = `${image.width} × ${image.height} pixels, label mass added: ${image.added.toFixed(2)}`;
    side.replaceChildren(make("h3", "", image.id), make("p", "", facts), chips(image, svg));
    const weak = image.labels.filter((label) => label[1] <= threshold && label[1] >= 0.01);
    if (weak.length) {
      side.append(make("h4", "", "Below the threshold"));
      side.append(make("p", "", weak.map((label) => `${nameOf(label[0])} ${text(label[1])}`).join(" · ")));
    }
    const rows = make("ul", "rows");
    rows.append(...image.masks.map((mask, place) => row(image, mask, place, svg)));
    side.append(make("h4", "", image.masks.length ? "Masks, most certain first; click to show or hide" : "No masks"), rows);
    if (image.hidden_masks) side.append(make("p", "", `and ${image.hidden_masks} more`));
    if (!viewer.open) viewer.showModal();
    viewer.querySelector(".side").scrollTop = 0;
  };
  const turn = (by) => {
    if (visible.length) view(visible[(current + by + visible.length) % visible.length]);
  };
  document.getElementById("previous").addEventListener("click", () => turn(-1));
  document.getElementById("next").addEventListener("click", () => turn(1));
  document.getElementById("close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });

  // Another threshold: what it would add to all images, and the gallery's images with it.
  const slider = document.getElementById("slider");
  const say = () => {
    const above = data.probabilities.reduce((sum, labels, hundredth) => sum + (hundredth >= Math.round(threshold * 100) ? labels : 0), 0);
    // The curve's points hold from a probability on; the last one above the threshold is the nearest that is known.
    const point = data.curve.filter(([from]) => from > threshold).at(-1);
    const truth = point ? `, precision ${point[1].toFixed(3)}, recall ${point[2].toFixed(3)}` : "";
    document.getElementById("tau").textContent = `${threshold.toFixed(2)}: ${above.toLocaleString("en")} labels added, ${(above / Math.max(1, data.count)).toFixed(2)} per image${truth}`;
    for (const bar of document.querySelectorAll("#threshold .bar")) bar.classList.toggle("strong", Number(bar.dataset.from) >= threshold);
  };
  slider?.addEventListener("input", () => {
    threshold = Number(slider.value);
    data.images.forEach(look);
    say();
    update();
  });
  if (slider) say();
  update();
})();
