/**
 * Tollgate's kit for pages: whoever is turned away by a full server waits here for a turn,
 * and the request that was turned away is sent again by itself.
 *
 * One tag covers an unchanged page:
 *
 *     <script type="module" src="/tollgate/kit.js" data-auto></script>
 *
 * `data-auto` adds a `<tollgate-kit>` that patches the page's `fetch`; `data-debug` opens
 * its debug panel. Without `data-auto` nothing happens until the page places a
 * `<tollgate-kit>` or calls {@link createKit}.
 *
 * What is not covered: XMLHttpRequest, forms that the browser submits itself, and a `fetch`
 * that a script took before this module ran. These get the server's 503 as it is.
 *
 * It needs no inline script or style, so it runs under `script-src 'self'; style-src 'self';
 * connect-src 'self'`. Page and gateway share an origin.
 */

import { TollgateKit } from "./kit/element.js";

if (!customElements.get("tollgate-kit")) customElements.define("tollgate-kit", TollgateKit);

/**
 * What a page gets from {@link createKit}.
 *
 * @typedef {object} Kit
 * @property {typeof fetch} fetch A `fetch` that waits for its turn at a full server and then
 *     sends the request again. Whoever stops waiting gets the 503. A body that is a stream
 *     can't be sent again: then it rejects with a TypeError after admission.
 * @property {() => Promise<import("./kit/facts.js").Capacity | null>} refresh Reads how full
 *     the server is, warns where it has to, and resolves with it; with null where it is not
 *     known or not limited.
 * @property {HTMLElement} element Where the kit shows itself. `tollgate-alert` is
 *     dispatched here.
 * @property {() => void} remove Takes the kit out of the page; who waits gets the 503.
 */

/**
 * Puts a kit into the page.
 *
 * @param {object} [options]
 * @param {string} [options.base] What stands before `/tollgate/…`, such as `/gate`; by
 *     default where this module came from.
 * @param {(capacity: import("./kit/facts.js").Capacity) => void} [options.onAlert] Called
 *     when utilisation rises above 90 %.
 * @param {boolean} [options.debug] Whether the debug panel is shown.
 * @param {boolean} [options.patchFetch] Whether the page's own `fetch` waits as well.
 * @param {Element} [options.parent] What the element is put into; by default it floats at
 *     the lower edge of the window.
 * @returns {Kit}
 */
export function createKit({ base, onAlert, debug = false, patchFetch = false, parent } = {}) {
  const element = document.createElement("tollgate-kit");
  if (base !== undefined) element.setAttribute("base", base);
  element.toggleAttribute("debug", debug);
  element.toggleAttribute("patch-fetch", patchFetch);
  element.toggleAttribute("floating", parent === undefined);
  if (onAlert) element.addEventListener("tollgate-alert", (event) => onAlert(event.detail));
  (parent ?? document.body ?? document.documentElement).append(element);
  return {
    element,
    fetch: element.fetch,
    refresh: () => element.refresh(),
    remove: () => element.remove(),
  };
}

// A module has no `document.currentScript`; its tag is the one with its address.
const tag = [...document.scripts].find((script) => script.src === import.meta.url);
if (tag?.hasAttribute("data-auto")) {
  createKit({ base: tag.dataset.base, debug: tag.hasAttribute("data-debug"), patchFetch: true });
}
