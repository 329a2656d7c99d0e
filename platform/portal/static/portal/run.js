// A live run's page: asks now and then whether anything has happened, and then shows the page anew.
"use strict";

(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const SOONEST = 2000;
  const LATEST = 20000;
  let wait = SOONEST;
  let seen = "";

  const told = (run) => JSON.stringify([
    run.status, run.reason,
    (run.steps || []).map((step) => [step.name, step.iteration, step.status, step.attempt, step.attempts, step.progress]),
  ]);

  const swap = async () => {
    const answer = await fetch(live.dataset.run, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("content");
    const old = document.getElementById("content");
    // Never under somebody's hands: a focused control stays until they have left it.
    if (!fresh || (old.contains(document.activeElement) && document.activeElement !== old)) return;
    old.replaceChildren(...fresh.childNodes);
  };

  const look = async () => {
    const mark = document.getElementById("live");
    if (!mark) return;
    try {
      const answer = await fetch(live.dataset.source, {
        credentials: "same-origin", headers: { Accept: "application/json" },
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const now = told(await answer.json());
      if (seen && now !== seen) {
        await swap();
        wait = SOONEST;
      } else {
        wait = Math.min(wait * 1.3, LATEST);
      }
      seen = now;
      const shown = document.getElementById("live");
      if (shown) shown.textContent = "Follows the run live.";
    } catch {
      wait = LATEST;
      mark.textContent = "The live view has lost the server; reload the page to look again.";
    }
    setTimeout(look, document.hidden ? LATEST : wait);
  };

  look();
})();
