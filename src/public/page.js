// A copy button on every block; without scripts the text can still be marked and copied.
for (const block of document.querySelectorAll(".copyable")) {
  const text = block.querySelector("code").textContent;
  const pre = block.querySelector("pre");
  pre.tabIndex = 0;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const status = document.getElementById("status");
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      status.textContent = "Copied to the clipboard.";
    } catch {
      getSelection().selectAllChildren(pre);
      status.textContent = "Marked: press Ctrl+C or ⌘C to copy.";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.append(button);
}
