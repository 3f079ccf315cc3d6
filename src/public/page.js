// Adds a copy button to every block. Without JavaScript, the text can still be selected and copied.
const status = document.getElementById("status");
const keys = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘C" : "Ctrl+C";
for (const block of document.querySelectorAll(".copyable")) {
  const { what } = block.dataset;
  const pre = block.querySelector("pre");
  const button = document.createElement("button");
  let reset;
  const announce = (text, spoken, milliseconds) => {
    button.textContent = text;
    status.textContent = spoken;
    clearTimeout(reset);
    reset = setTimeout(() => { button.textContent = "Copy"; status.textContent = ""; }, milliseconds);
  };
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${what}`);
  button.addEventListener("click", async () => {
    try {
      // A block may show less than it copies: a token is shortened on the screen.
      await navigator.clipboard.writeText(block.dataset.text ?? pre.textContent);
      announce("Copied", `Copied ${what}`, 2000);
    } catch {
      // The clipboard is only available over https or on localhost. Otherwise the text is selected.
      if (block.dataset.text) pre.firstElementChild.textContent = block.dataset.text;
      getSelection().selectAllChildren(pre);
      announce(`Selected: press ${keys}`, `Selected ${what}: press ${keys} to copy`, 10000);
    }
  });
  pre.before(button);
}

// Shows one client at a time (WAI-ARIA Authoring Practices, "Tabs"). Without JavaScript, all are visible.
const clients = [...document.querySelectorAll(".client")];
const tabs = document.createElement("div");
tabs.className = "tabs";
tabs.setAttribute("role", "tablist");
tabs.setAttribute("aria-labelledby", "connect");
const select = (chosen) => {
  for (const [index, client] of clients.entries()) {
    const tab = tabs.children[index];
    client.hidden = index !== chosen;
    tab.setAttribute("aria-selected", String(index === chosen));
    tab.tabIndex = index === chosen ? 0 : -1;
  }
};
for (const [index, client] of clients.entries()) {
  const heading = client.querySelector("h3");
  const tab = document.createElement("button");
  tab.type = "button";
  tab.id = heading.id;
  tab.textContent = heading.textContent;
  tab.setAttribute("role", "tab");
  client.id = `${heading.id}-setup`;
  client.setAttribute("role", "tabpanel");
  tab.setAttribute("aria-controls", client.id);
  tab.addEventListener("click", () => select(index));
  heading.remove();
  tabs.append(tab);
}
tabs.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = (clients.findIndex((client) => !client.hidden) + step + clients.length) % clients.length;
  select(next);
  tabs.children[next].focus();
});
document.getElementById("clients").prepend(tabs);
select(0);

// Shows whether the server is ready.
const readiness = document.getElementById("readiness");
const showReadiness = async () => {
  try {
    const { status, keys, secretKey, shutdown } = await (await fetch("readyz")).json();
    const reasons = [
      keys === "held" ? "Clerk's keys are held" : `keys: ${keys}`,
      secretKey === "good" ? "no problem with the secret key" : `secret key: ${secretKey}`,
      ...(shutdown === "no" ? [] : ["shutting down"]),
    ];
    readiness.className = `readiness ${status === "ready" ? "is-good" : "is-bad"}`;
    readiness.textContent = `${status === "ready" ? "Ready" : "Not ready"}: ${reasons.join(", ")}.`;
  } catch {
    readiness.className = "readiness is-bad";
    readiness.textContent = "The server does not answer.";
  }
};
showReadiness();

// OAuth treats 127.0.0.1 and localhost as different servers, so sign-in fails under the other name.
const otherName = document.getElementById("other-name");
if (location.origin !== new URL(otherName.querySelector("a").href).origin) otherName.hidden = false;
