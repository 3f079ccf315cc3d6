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
      await navigator.clipboard.writeText(pre.textContent);
      announce("Copied", `Copied ${what}`, 2000);
    } catch {
      // The clipboard is only available over https or on localhost. Otherwise the text is selected.
      getSelection().selectAllChildren(pre);
      announce(`Selected: press ${keys}`, `Selected ${what}: press ${keys} to copy`, 10000);
    }
  });
  pre.before(button);
}
