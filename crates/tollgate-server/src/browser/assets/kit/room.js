/**
 * The room where a page's requests wait: one dialog and one ticket for all of them, since
 * all of them come from one browser. Everybody in it is let go at once.
 */

import { follow, giveUp, ticketUrl } from "./turn.js";

/**
 * What a room shows itself in.
 *
 * @typedef {object} View
 * @property {(busy: import("./facts.js").Busy) => void} show
 * @property {(place: import("./facts.js").Place) => void} place
 * @property {(seconds: number) => void} countDown Without a queue: when it tries again.
 * @property {() => void} trying
 * @property {(message: string) => void} gone
 * @property {() => void} close
 */

/** Browsers without a queue that were refused together do not come back together. */
const MAX_SPREAD = 0.1;
const MAX_SPREAD_SECONDS = 10;

export class Room {
  #view;
  #base;
  #fetch;
  /** @type {Set<Stay>} Who was refused: waits, or asks again. */
  #stays = new Set();
  /** @type {Set<Stay>} Who has no answer yet. */
  #asking = new Set();
  /** @type {Map<string, Set<Stay>>} Tickets to give up, and who may have asked with each. */
  #unwanted = new Map();
  /** The ticket that is followed, and the number of the answer that it came with. */
  #ticket = null;
  #order = 0;
  #following = new AbortController();

  /**
   * @param {object} options
   * @param {View} options.view
   * @param {string} options.base What stands before `/tollgate/…`.
   * @param {typeof fetch} options.fetch One that does not wait.
   */
  constructor({ view, base, fetch }) {
    this.#view = view;
    this.#base = base;
    this.#fetch = fetch;
  }

  /** Begins a request's stay, which ends with {@link exit}. */
  enter() {
    return new Stay();
  }

  /**
   * Says that a request is sent, or sent again.
   *
   * @param {Stay} stay
   */
  ask(stay) {
    this.#asking.add(stay);
  }

  /**
   * Ends a stay. Where one that waited was let in the others are as well; when the last one
   * ends, nobody wants the place any longer.
   *
   * @param {Stay} stay
   * @param {boolean} isServed Whether it was let in.
   */
  exit(stay, isServed) {
    this.#answered(stay, isServed);
    if (!this.#stays.delete(stay)) return;
    if (isServed) this.#ticket = null;
    if (this.#stays.size === 0) {
      this.#stop();
      this.#view.close();
    } else if (isServed) {
      this.retry();
    }
  }

  /**
   * Waits until the request may be sent again.
   *
   * @param {Stay} stay
   * @param {import("./facts.js").Busy} busy What it was refused with.
   * @param {number} order The answer's number, counted as answers arrive.
   * @param {AbortSignal} [signal] The page's own.
   * @returns {Promise<boolean>} Whether to send it again; else whoever waited has left.
   * @throws What the page aborted it with.
   */
  wait(stay, busy, order, signal) {
    if (stay.hasLeft) return Promise.resolve(false);
    stay.wasRefused = true;
    this.#stays.add(stay);
    this.#present(busy, order);
    this.#answered(stay, false);
    return stay.wait(signal);
  }

  /** Sends everything again now. */
  retry() {
    this.#following.abort();
    this.#again();
  }

  /** Gives the place up; whoever waits goes with the answer that it has. */
  leave() {
    for (const stay of this.#stays) stay.leave();
    this.#stop();
    this.#view.close();
  }

  #present(busy, order) {
    const isFollowing = this.#ticket !== null && !this.#following.signal.aborted;
    const isSame = busy.ticket === this.#ticket;
    // The browser's cookie goes with the newest ticket; an older place would stay empty.
    if (isFollowing && !isSame && order < this.#order) return this.#giveUp(busy.ticket);
    if (!isSame) this.#stop();
    this.#order = order;
    this.#view.show(busy);
    if (isFollowing && isSame) return;
    this.#following.abort();
    this.#following = new AbortController();
    this.#ticket = busy.ticket;
    this.#unwanted.delete(busy.ticket);
    if (busy.ticket === null) this.#countDown(busy.retryAfterSeconds);
    else this.#follow(busy.ticket);
  }

  async #follow(ticket) {
    const { signal } = this.#following;
    const end = await follow(ticketUrl(this.#base, ticket), {
      fetch: this.#fetch,
      onPlace: (place) => this.#view.place(place),
      signal,
    });
    if (signal.aborted) return;
    this.#following.abort();
    if (end.state === "admitted") return this.#again();
    this.#ticket = null;
    this.#view.gone(end.message);
  }

  #countDown(seconds) {
    const { signal } = this.#following;
    const spread = Math.min(seconds * MAX_SPREAD, MAX_SPREAD_SECONDS);
    const total = Math.ceil(seconds + Math.random() * spread);
    this.#view.countDown(total);
    const timer = setTimeout(() => this.retry(), total * 1000);
    signal.addEventListener("abort", () => clearTimeout(timer));
  }

  #again() {
    this.#view.trying();
    for (const stay of this.#stays) stay.goAgain();
  }

  #stop() {
    this.#following.abort();
    this.#giveUp(this.#ticket);
    this.#ticket = null;
  }

  /**
   * Gives a ticket up, but not before everybody who may have asked with it has an answer:
   * one that names it once more brings the browser's cookie back to it.
   */
  #giveUp(ticket) {
    if (ticket === null) return;
    this.#unwanted.set(ticket, new Set(this.#asking));
    this.#sweep();
  }

  #answered(stay, isServed) {
    this.#asking.delete(stay);
    for (const [ticket, asking] of this.#unwanted) {
      // It may be the place that was taken; if it is not, it is freed by its own time.
      if (asking.delete(stay) && isServed) this.#unwanted.delete(ticket);
    }
    this.#sweep();
  }

  #sweep() {
    for (const [ticket, asking] of this.#unwanted) {
      if (asking.size > 0) continue;
      this.#unwanted.delete(ticket);
      giveUp(ticketUrl(this.#base, ticket), this.#fetch);
    }
  }
}

/** One request in the room. */
class Stay {
  wasRefused = false;
  hasLeft = false;
  #end = () => {};

  wait(signal) {
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      this.#end = (isAgain) => {
        signal?.removeEventListener("abort", abort);
        resolve(isAgain);
      };
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
    });
  }

  goAgain() {
    this.#end(true);
  }

  leave() {
    this.hasLeft = true;
    this.#end(false);
  }
}
