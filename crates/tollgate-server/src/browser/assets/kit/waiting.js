/**
 * The lines that tell of a wait: the place, the seconds that run down, and a quiet voice
 * for screen readers, which speaks when the place changes and not every second.
 */

import { Countdown } from "./countdown.js";
import { make, tell } from "./dom.js";
import { estimateText, nextTryText, placeText } from "./words.js";

export class WaitingLines {
  place = make("p", { class: "place", hidden: "" });
  time = make("p", { class: "time", hidden: "" });
  voice = make("p", { class: "voice", role: "status", "aria-live": "polite" });
  #words = estimateText;
  #countdown = new Countdown((seconds) => tell(this.time, this.#words(seconds)));

  /** @param {import("./facts.js").Place} place */
  show(place) {
    const text = placeText(place);
    tell(this.place, text);
    if (text !== null) this.say(text);
    this.#count(estimateText, place.estimateSeconds);
  }

  /**
   * Without a queue: when it is tried again.
   *
   * @param {number} seconds
   */
  countDown(seconds) {
    tell(this.place, null);
    this.#count(nextTryText, seconds);
  }

  /**
   * Nothing is counted any longer.
   *
   * @param {string} text What is so instead.
   */
  settle(text) {
    this.stop();
    tell(this.place, null);
    tell(this.time, text);
    this.say(text);
  }

  stop() {
    this.#countdown.stop();
  }

  say(text) {
    tell(this.voice, text);
  }

  #count(words, seconds) {
    this.stop();
    this.#words = words;
    if (seconds === null) tell(this.time, words(null));
    else this.#countdown.start(seconds);
  }
}
