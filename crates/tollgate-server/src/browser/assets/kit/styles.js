/**
 * The look of `<tollgate-kit>`. It is a sheet made by script, which a Content-Security-Policy
 * without `unsafe-inline` allows, and the page's own style does not reach into it.
 */

const CSS = `
:host {
  all: initial;
  display: block;
  color-scheme: light dark;
  font: 1rem/1.5 system-ui, sans-serif;
  --surface: #ffffff; --text: #1b1f24; --quiet: #4b5563; --line: #6b7280;
  --accent: #1d4ed8; --on-accent: #ffffff; --warn: #fff4d6; --on-warn: #4a3200;
}
@media (prefers-color-scheme: dark) {
  :host {
    --surface: #1c2128; --text: #f0f3f6; --quiet: #b6bec9; --line: #8b95a3;
    --accent: #9ec1ff; --on-accent: #0b1a33; --warn: #4a3a10; --on-warn: #fff0c2;
  }
}
:host([floating]) .notices { position: fixed; inset: auto 0 0; z-index: 2147483000; }
[hidden] { display: none !important; }
h2, p { margin: 0; }
button {
  font: inherit; padding: .6rem 1rem; min-height: 2.75rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: .5rem; background: transparent; color: inherit;
}
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
dialog {
  box-sizing: border-box; width: min(28rem, calc(100vw - 2rem)); max-width: none;
  max-height: calc(100dvh - 2rem); overflow: auto; overflow-wrap: anywhere; padding: 1.5rem;
  border: 1px solid var(--line); border-radius: .75rem;
  background: var(--surface); color: var(--text); animation: appear .2s ease-out;
}
dialog::backdrop { background: rgb(0 0 0 / 55%); }
dialog > * + * { margin-block-start: .75rem; }
h2 { font-size: 1.35rem; line-height: 1.3; }
.users {
  font-size: 1.75rem; font-weight: 600; line-height: 1.2; font-variant-numeric: tabular-nums;
}
.place { font-weight: 600; }
.time { color: var(--quiet); font-variant-numeric: tabular-nums; }
.voice {
  position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; margin-block-start: 1.25rem; }
.buttons button { flex: 1 1 8rem; }
.retry {
  background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600;
}
.retry[aria-disabled="true"] { cursor: progress; }
.bar {
  display: flex; align-items: center; gap: 1rem; padding: .5rem 1rem;
  background: var(--warn); color: var(--on-warn);
}
.bar .text { flex: 1; overflow-wrap: anywhere; }
.bar button { border-color: currentcolor; min-width: 2.75rem; padding: 0; }
.bar :focus-visible { outline-color: currentcolor; }
.debug {
  padding: .5rem 1rem 1rem; border-top: 1px solid var(--line);
  background: var(--surface); color: var(--text);
}
.debug h2 { font-size: 1rem; }
.log {
  font: .875rem/1.5 ui-monospace, monospace;
  max-height: 12rem; overflow: auto; overflow-wrap: anywhere;
}
@keyframes appear { from { opacity: 0; transform: translateY(.5rem); } }
@media (prefers-reduced-motion: reduce) { dialog { animation: none; } }
@media (forced-colors: active) { .retry { border-width: 3px; } }
`;

let made = null;

/** The one sheet, shared by every element. */
export function sheet() {
  if (made === null) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS);
  }
  return made;
}
