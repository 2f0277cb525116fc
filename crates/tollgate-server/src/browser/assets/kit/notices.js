/** What is told without asking anything of anybody: the warning, and the debug panel. */

import { make, tell } from "./dom.js";

/** The debug panel forgets older lines. */
const MAX_LINES = 200;

export class Notices {
  #warning = make("p", { class: "text", role: "status" });
  #alert = make("p", { class: "text", role: "alert" });
  #bar;
  #log = make("div", { class: "log", role: "log", "aria-label": "Server log", tabindex: "0" });
  #panel = make(
    "section",
    { class: "debug", "aria-label": "Debug panel", hidden: "" },
    make("h2", {}, "Debug"),
    this.#log,
  );

  constructor() {
    const click = () => (this.#bar.hidden = true);
    const named = { type: "button", "aria-label": "Dismiss the warning", click };
    const close = make("button", named, "×");
    // The texts stay in the tree while they are empty: only a change within a live region
    // is spoken.
    this.#bar = make("div", { class: "bar", hidden: "" }, this.#warning, this.#alert, close);
    this.element = make("div", { class: "notices" }, this.#bar, this.#panel);
  }

  /**
   * @param {string | null} text
   * @param {boolean} isUrgent Whether it is spoken at once.
   */
  warn(text, isUrgent) {
    const isNew = text !== (this.#warning.textContent || this.#alert.textContent || null);
    if (isNew) this.#bar.hidden = text === null;
    tell(this.#warning, isUrgent ? null : text);
    tell(this.#alert, isUrgent ? text : null);
  }

  /** @param {string[]} lines */
  log(lines) {
    this.#log.append(...lines.map((line) => make("div", {}, line)));
    while (this.#log.childElementCount > MAX_LINES) this.#log.firstElementChild.remove();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** @param {boolean} isShown */
  debug(isShown) {
    this.#panel.hidden = !isShown;
  }
}
