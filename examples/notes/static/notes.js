// Asks for the list again while the worker still counts, so that the numbers appear by themselves.
"use strict";

async function refresh() {
  const answer = await fetch("/api/notes");
  if (!answer.ok) return true;
  let waiting = false;
  for (const note of await answer.json()) {
    const small = document.querySelector(`li[data-id="${note.id}"] small`);
    if (!note.words) waiting = true;
    else if (small) small.textContent = note.words === "1" ? "1 word" : `${note.words} words`;
  }
  return waiting;
}

async function watch(tries) {
  if (tries > 0 && (await refresh().catch(() => true))) setTimeout(watch, 500, tries - 1);
}
watch(20);
