/**
 * A request that can be sent more than once: what its body held when it was made is kept,
 * whatever the page does with it afterwards.
 */

/**
 * @typedef {object} Replay
 * @property {() => Promise<Response>} send
 * @property {boolean} isRepeatable Whether it can be sent again; a stream is read once.
 * @property {AbortSignal | undefined} signal What the page aborts it with.
 */

/**
 * The first sending is the page's own, unchanged.
 *
 * @param {typeof fetch} fetch
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 * @returns {Replay}
 */
export function replay(fetch, input, init) {
  // Members of another prototype would be lost in a copy; the constructor reads them.
  if (init && !isPlain(init)) return replay(fetch, new Request(input, init));
  const body = init?.body;
  const isRequest = input instanceof Request;
  const kept = init && { ...init, headers: copied(init.headers), body: frozen(body) };
  // A request whose body is given beside it keeps none of its own.
  let spare = isRequest ? cloned(input) : String(input);
  let wasSent = false;
  return {
    isRepeatable: !(body instanceof ReadableStream),
    signal: (init?.signal === undefined && isRequest ? input.signal : init?.signal) ?? undefined,
    send() {
      if (!wasSent) {
        wasSent = true;
        return fetch(input, init);
      }
      const next = spare;
      if (isRequest) spare = cloned(next);
      return fetch(next, kept);
    },
  };
}

function isPlain(init) {
  const prototype = Object.getPrototypeOf(init);
  return prototype === Object.prototype || prototype === null;
}

/** A request that was used up can't be cloned; `fetch` says so in its own words. */
function cloned(request) {
  return request.bodyUsed ? request : request.clone();
}

function copied(headers) {
  return headers === undefined ? undefined : new Headers(headers);
}

function frozen(body) {
  if (body instanceof FormData) {
    const copy = new FormData();
    for (const [name, value] of body) copy.append(name, value);
    return copy;
  }
  if (body instanceof URLSearchParams) return new URLSearchParams(body);
  if (body instanceof ArrayBuffer) return body.slice(0);
  if (ArrayBuffer.isView(body)) {
    return body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength);
  }
  // Strings and blobs do not change.
  return body;
}
