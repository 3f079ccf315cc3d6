"use strict";
const $ = (id) => document.getElementById(id);
const items = [...document.querySelectorAll("[data-status]")];
const groups = [...document.querySelectorAll("[data-group]")];
const boxes = [...document.querySelectorAll("#filter input[type=checkbox]")];
const texts = new Map();
const text = (item) => texts.get(item) ?? texts.set(item, item.textContent.toLowerCase()).get(item);
const allowed = () => new Set(boxes.filter((box) => box.checked).map((box) => box.value));

function filter() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const statuses = allowed();
  const isFiltered = words.length > 0 || statuses.size > 0;
  const shown = new Set();
  for (const item of items) {
    const isWanted = statuses.size === 0 || statuses.has(item.dataset.status);
    item.hidden = !isWanted || !words.every((word) => text(item).includes(word));
    if (!item.hidden) shown.add(item.dataset.case);
  }
  for (const group of groups) {
    const visible = group.querySelectorAll("[data-status]:not([hidden])").length;
    group.hidden = isFiltered ? visible === 0 : false;
    if (group.matches("details")) group.open = isFiltered ? visible > 0 : false;
    for (const fold of group.querySelectorAll(".fold")) fold.open = isFiltered ? visible > 0 : false;
  }
  $("found").textContent = isFiltered ? `${shown.size} of ${new Set(items.map((item) => item.dataset.case)).size} cases` : "";
}

function reveal() {
  const target = $(decodeURIComponent(location.hash.slice(1)));
  for (let one = target; one; one = one.parentElement) {
    if (one.hidden) one.hidden = false;
    if (one.matches("details")) one.open = true;
  }
  target?.scrollIntoView();
}

async function copy(button, source) {
  let label = "Copied";
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    label = "Selected: press Ctrl+C";
  }
  button.textContent = label;
  button.setAttribute("aria-label", label);
  setTimeout(() => {
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${source.dataset.label}`);
  }, 2000);
}

for (const source of document.querySelectorAll("pre[data-label]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${source.dataset.label}`);
  button.addEventListener("click", () => copy(button, source));
  const frame = document.createElement("div");
  frame.className = "copyable";
  source.replaceWith(frame);
  frame.append(source, button);
}
$("filter").hidden = false;
$("search").addEventListener("input", filter);
for (const box of boxes) box.addEventListener("change", filter);
addEventListener("hashchange", reveal);
if (location.hash) reveal();
