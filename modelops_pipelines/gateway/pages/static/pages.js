// What pages do beyond plain HTML: copy a text, ask before what cannot be undone, show a busy form.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = "Copied";
  } catch {
    source.focus();
    source.select?.();
    button.textContent = "Press Ctrl+C";
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.ask && !window.confirm(form.dataset.ask)) {
    event.preventDefault();
    return;
  }
  if (form.method === "post" && !("stays" in form.dataset)) {
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-busy", "true");
  }
});

// Selects of filters apply at once; without this script their button does.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form.filters");
  if (form && event.target.matches("select")) form.requestSubmit();
});

// Who types into a live part of a page, or has it open, is not to lose it to a refresh.
document.addEventListener("htmx:before:request", (event) => {
  const live = event.target.closest?.("#live, #now");
  const isBusy = live && (document.hidden || live.querySelector("details[open] form") || live.contains(document.activeElement) && document.activeElement.matches("input, textarea, select"));
  if (isBusy && event.detail?.ctx?.sourceEvent?.type === "every") event.preventDefault();
});
