// A copy button on every block; without scripts the text can still be marked and copied.
const status = document.getElementById("status");
const keys = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘C" : "Ctrl+C";
for (const block of document.querySelectorAll(".copyable")) {
  const { what } = block.dataset;
  const pre = block.querySelector("pre");
  const button = document.createElement("button");
  let reset;
  const say = (text, aloud, milliseconds) => {
    button.textContent = text;
    status.textContent = aloud;
    clearTimeout(reset);
    reset = setTimeout(() => { button.textContent = "Copy"; status.textContent = ""; }, milliseconds);
  };
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${what}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(pre.textContent);
      say("Copied", `Copied ${what}`, 2000);
    } catch {
      // No clipboard without https, but for this machine's own pages.
      getSelection().selectAllChildren(pre);
      say(`Marked: press ${keys}`, `Marked ${what}: press ${keys} to copy`, 10000);
    }
  });
  pre.before(button);
}
