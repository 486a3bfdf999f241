// Keys 1, 2, 3 and the arrows left, down, right press the three buttons. The page works without this file.
"use strict";
(() => {
  const form = document.querySelector("form.vote");
  const choices = [...form.querySelectorAll("button[data-key]")];
  const arrows = { ArrowLeft: 0, ArrowDown: 1, ArrowRight: 2 };
  let on = true;
  try { on = sessionStorage.getItem("keys") !== "off"; } catch { /* a frame may have no storage */ }

  // Whoever speaks to the computer, or steers it by other means, must be able to switch single keys off (WCAG 2.1.4).
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "keys";
  const show = () => {
    toggle.textContent = on ? "Keys 1 2 3 are on" : "Keys 1 2 3 are off";
    toggle.setAttribute("aria-pressed", String(on));
    form.classList.toggle("with-keys", on);
  };
  toggle.addEventListener("click", () => {
    on = !on;
    try { sessionStorage.setItem("keys", on ? "on" : "off"); } catch { /* as above */ }
    show();
  });
  form.append(toggle);
  show();

  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) { event.preventDefault(); return; }
    sent = true;
    form.classList.add("sent");
  });
  // The browser may show this page again from its memory.
  addEventListener("pageshow", () => { sent = false; form.classList.remove("sent"); });

  // A key still held down from the last item is no answer to this one.
  addEventListener("keydown", (event) => {
    if (!on || event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("textarea, input, select, pre, .scroll, summary")) return;
    const place = event.key in arrows ? arrows[event.key] : ["1", "2", "3"].indexOf(event.key);
    // The arrow down scrolls a page that is longer than its window.
    const long = document.documentElement.scrollHeight > innerHeight + 1;
    if (place < 0 || (event.key === "ArrowDown" && long)) return;
    event.preventDefault();
    choices[place].focus();
    choices[place].click();
  });
})();
