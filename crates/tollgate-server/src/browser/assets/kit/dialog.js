/**
 * The dialog of a full server. The native modal keeps the focus inside, makes the page
 * behind it inert and gives the focus back; Escape leaves, as the second button does.
 */

import { make, tell } from "./dom.js";
import { WaitingLines } from "./waiting.js";

const TRYING = "Trying again…";

/** The {@link import("./room.js").View} of a room. */
export class BusyDialog {
  #users = make("p", { class: "users" });
  #message = make("p", { id: "message" });
  #lines = new WaitingLines();
  #retry;
  #isTrying = false;

  /**
   * @param {object} actions
   * @param {() => void} actions.retry
   * @param {() => void} actions.leave
   */
  constructor({ retry, leave }) {
    this.#retry = make(
      "button",
      { type: "button", class: "retry", autofocus: "", click: () => this.#isTrying || retry() },
      "Retry Now",
    );
    const stop = make("button", { type: "button", class: "leave", click: leave }, "Stop Waiting");
    // Escape fires `cancel`, and a second one closes whatever is done about the first.
    const escape = (event) => {
      event.preventDefault();
      leave();
    };
    this.element = make(
      "dialog",
      { "aria-labelledby": "title", "aria-describedby": "message", cancel: escape },
      make("h2", { id: "title" }, "Server Busy"),
      this.#users,
      this.#message,
      this.#lines.place,
      this.#lines.time,
      this.#lines.voice,
      make("div", { class: "buttons" }, this.#retry, stop),
    );
  }

  show({ active, max, message, place }) {
    this.#setTrying(false);
    tell(this.#users, max > 0 ? `${active}/${max} users` : null);
    tell(this.#message, message);
    if (!this.element.open) this.element.showModal();
    this.#lines.show(place);
  }

  place(place) {
    this.#lines.show(place);
  }

  countDown(seconds) {
    this.#lines.countDown(seconds);
  }

  trying() {
    this.#setTrying(true);
    this.#lines.settle(TRYING);
  }

  gone(message) {
    this.#lines.settle(message);
  }

  close() {
    this.#lines.stop();
    this.element.close();
  }

  /** The button is not disabled, since that would take the focus away from it. */
  #setTrying(isTrying) {
    this.#isTrying = isTrying;
    this.#retry.setAttribute("aria-disabled", String(isTrying));
  }
}
