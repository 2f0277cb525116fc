/**
 * A ticket followed until it is over: by server-sent events, and where these can't be had,
 * by asking again and again, ever more slowly.
 */

import { placeOf } from "./facts.js";

/**
 * How a wait ended: it is one's turn; the place is gone, with the reason; or nobody waits
 * any longer.
 *
 * @typedef {{ state: "admitted" } | { state: "gone", message: string } | { state: "left" }} End
 */

/** Events that do not begin within this time are held back by something on the way. */
const SILENCE_MS = 10_000;
/** Breaks in a row, with no event between them, until events are given up. */
const MAX_BREAKS = 3;
const FIRST_POLL_MS = 2_000;
const SLOWEST_POLL_MS = 15_000;
const POLL_GROWTH = 1.5;
/** Browsers that began together do not ask together. */
const POLL_JITTER = 0.2;

const GONE = "Your place in the queue is gone. Try again to get a new one.";

/**
 * @param {string} base What stands before `/tollgate/…`.
 * @param {string} ticket
 */
export function ticketUrl(base, ticket) {
  return `${base}/tollgate/tickets/${encodeURIComponent(ticket)}`;
}

/**
 * Resolves when the wait is over, and never rejects.
 *
 * @param {string} url The ticket's.
 * @param {object} options
 * @param {typeof fetch} options.fetch
 * @param {(place: import("./facts.js").Place) => void} options.onPlace
 * @param {AbortSignal} options.signal Ends it with `left`.
 * @returns {Promise<End>}
 */
export async function follow(url, { fetch, onPlace, signal }) {
  return (await listen(url, onPlace, signal)) ?? poll(url, fetch, onPlace, signal);
}

/**
 * Gives the place up, as well as may be: a lost place is freed by its own time.
 *
 * @param {string} url The ticket's.
 * @param {typeof fetch} fetch
 */
export async function giveUp(url, fetch) {
  try {
    await fetch(url, { method: "DELETE", keepalive: true });
  } catch {
    // Nobody is left who could do anything about it.
  }
}

/** @returns {Promise<End | null>} Null where there are no events to be had. */
function listen(url, onPlace, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ state: "left" });
    const source = new EventSource(`${url}/events`);
    let breaks = 0;
    const end = (how) => {
      clearTimeout(silence);
      source.close();
      signal.removeEventListener("abort", leave);
      resolve(how);
    };
    const leave = () => end({ state: "left" });
    const on = (name, act) => {
      source.addEventListener(name, (event) => {
        breaks = 0;
        clearTimeout(silence);
        act(parsed(event.data));
      });
    };
    const silence = setTimeout(() => end(null), SILENCE_MS);
    on("place", (body) => body && onPlace(placeOf(body)));
    on("admitted", () => end({ state: "admitted" }));
    on("gone", (body) => end(gone(body)));
    source.addEventListener("error", () => {
      breaks += 1;
      if (source.readyState === EventSource.CLOSED || breaks >= MAX_BREAKS) end(null);
    });
    signal.addEventListener("abort", leave);
  });
}

/** @returns {Promise<End>} */
async function poll(url, fetch, onPlace, signal) {
  let pause = FIRST_POLL_MS;
  let last = null;
  while (!signal.aborted) {
    const body = await look(url, fetch, signal);
    if (body?.state === "admitted") return { state: "admitted" };
    if (body?.state === "gone") return gone(body);
    if (body) onPlace(placeOf(body));
    // Where the queue moves it is looked at more often.
    const hasMoved = body && body.place !== last;
    pause = hasMoved ? FIRST_POLL_MS : Math.min(pause * POLL_GROWTH, SLOWEST_POLL_MS);
    last = body ? body.place : last;
    await rest(pause * (1 + POLL_JITTER * (2 * Math.random() - 1)), signal);
  }
  return { state: "left" };
}

/** What the ticket says; null where it can't be asked now. */
async function look(url, fetch, signal) {
  try {
    const options = { headers: { accept: "application/json" }, cache: "no-store", signal };
    const response = await fetch(url, options);
    if (response.ok) return await response.json();
    // Too many requests and a server in trouble pass; a ticket that is not ours does not.
    const isOver = response.status < 500 && response.status !== 429;
    return isOver ? { state: "gone" } : null;
  } catch {
    return null;
  }
}

function gone(body) {
  return { state: "gone", message: typeof body?.message === "string" ? body.message : GONE };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
