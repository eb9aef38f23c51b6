// Copies the key that was just made; without a script it is selected with one click.
const button = document.getElementById("copy");
if (button && navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById("key").textContent);
    button.textContent = "Copied";
  });
}
