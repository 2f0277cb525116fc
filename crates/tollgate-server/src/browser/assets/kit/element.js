/**
 * `<tollgate-kit>`: where the kit shows itself, and the `fetch` that waits.
 *
 * Attributes: `base` (what stands before `/tollgate/…`; by default where this module came
 * from), `debug` (shows the debug panel), `patch-fetch` (the page's own `fetch` waits too),
 * `floating` (notices lie over the page's lower edge instead of in its flow). `base` and
 * `patch-fetch` are read when the element enters the page.
 *
 * Event `tollgate-alert`, with the capacity as its detail: utilisation rose above 90 %.
 */

import { BusyDialog } from "./dialog.js";
import { busyOf, capacityOf, capacityOfBusy } from "./facts.js";
import { Notices } from "./notices.js";
import { replay } from "./replay.js";
import { Room } from "./room.js";
import { sheet } from "./styles.js";
import { ALERT_PERCENT, capacityLines, warning } from "./words.js";

const NO_REPLAY =
  "You have been admitted, but this request's body was a stream, which can be read only once: " +
  "make the request anew.";

/** Marks a `fetch` that waits, so that none is patched twice. */
const WAITS = Symbol.for("tollgate-kit");

export class TollgateKit extends HTMLElement {
  static observedAttributes = ["debug"];

  #notices = new Notices();
  #dialog = new BusyDialog({ retry: () => this.#room.retry(), leave: () => this.#room.leave() });
  #plainFetch = window.fetch[WAITS] ?? window.fetch.bind(window);
  #base = baseOf(null);
  #room = this.#newRoom();
  #patched = null;
  #isAlerted = false;
  /** How many answers have arrived. */
  #answers = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    root.append(this.#notices.element, this.#dialog.element);
  }

  connectedCallback() {
    this.#base = baseOf(this.getAttribute("base"));
    this.#room = this.#newRoom();
    if (this.hasAttribute("patch-fetch")) this.#patch();
    this.refresh();
  }

  disconnectedCallback() {
    if (this.#patched && window.fetch === this.#patched.ours) window.fetch = this.#patched.theirs;
    this.#patched = null;
    this.#room.leave();
  }

  attributeChangedCallback() {
    this.#notices.debug(this.hasAttribute("debug"));
  }

  /** A `fetch` that waits for its turn at a full server; see `Kit` in kit.js. */
  fetch = async (input, init) => {
    const request = replay(this.#plainFetch, input, init);
    const room = this.#room;
    const stay = room.enter();
    let isServed = false;
    try {
      for (;;) {
        room.ask(stay);
        const response = await request.send();
        const order = ++this.#answers;
        const isOurs = this.#isOurs(response);
        const busy = isOurs ? await busyOf(response) : null;
        if (!busy) {
          // Another origin lets nobody in, unless it is where ours sends those let in.
          isServed = isOurs || stay.wasRefused;
          return response;
        }
        if (!this.isConnected) return response;
        this.#learn(capacityOfBusy(busy));
        if (!(await room.wait(stay, busy, order, request.signal))) return response;
        if (!request.isRepeatable) throw new TypeError(NO_REPLAY);
      }
    } finally {
      room.exit(stay, isServed);
    }
  };

  /** Reads how full the server is; null where it is not known or not limited. */
  async refresh() {
    try {
      const url = `${this.#base}/tollgate/health`;
      const response = await this.#plainFetch(url, { cache: "no-store" });
      if (!response.ok) throw new Error(`the answer was ${response.status}`);
      const capacity = capacityOf(await response.json());
      if (capacity) this.#learn(capacity);
      return capacity;
    } catch (error) {
      this.#notices.log([`[ERROR] Server capacity is not known: ${error.message}`]);
      return null;
    }
  }

  #newRoom() {
    return new Room({ view: this.#dialog, base: this.#base, fetch: this.#plainFetch });
  }

  #learn(capacity) {
    const isAlert = capacity.utilizationPercent > ALERT_PERCENT;
    this.#notices.log(capacityLines(capacity));
    this.#notices.warn(warning(capacity), isAlert);
    const hasRisen = isAlert && !this.#isAlerted;
    this.#isAlerted = isAlert;
    if (!hasRisen) return;
    const event = { detail: capacity, bubbles: true, composed: true };
    this.dispatchEvent(new CustomEvent("tollgate-alert", event));
  }

  #patch() {
    const theirs = window.fetch;
    if (theirs[WAITS]) return;
    const ours = (...args) => this.fetch(...args);
    ours[WAITS] = this.#plainFetch;
    this.#patched = { ours, theirs };
    window.fetch = ours;
  }

  /** Another origin's full server has tickets of its own, which are not to be had here. */
  #isOurs({ type, url }) {
    if (type === "opaque") return false;
    return url === "" || new URL(url).origin === new URL(this.#base, document.baseURI).origin;
  }
}

/** What stands before `/tollgate/…`: as given, or where this module came from. */
function baseOf(given) {
  return (given ?? new URL("../..", import.meta.url).href).replace(/\/+$/, "");
}
